//! Embeds the migrations again when one is added: `sqlx::migrate!` cannot say so itself.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
