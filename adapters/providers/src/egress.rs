//! Where the gateway may connect to.
//!
//! A provider's address comes from configuration, but a host name in it is
//! resolved by somebody else, who can point it at this machine, at its
//! neighbours, or at the cloud's metadata service, which gives out credentials to
//! whoever asks. So it is the address that is judged, at every connect.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What may be dialled: the public internet, the literal address of a provider's
/// `base_url`, loopback for `localhost`, and what is allowed beyond that.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    allow: Vec<IpNet>,
}

/// An address that may not be dialled, with the reason and the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Forbidden {
    host: Box<str>,
    address: IpAddr,
    /// What is judged: `address`, or the one that hides in it.
    face: IpAddr,
    kind: Kind,
}

/// Why a range is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The services of a cloud that tell an instance its credentials.
    Metadata,
    LinkLocal,
    Loopback,
    Private,
    /// No single host has it: unspecified, broadcast, multicast.
    Nobody,
    /// Documentation, benchmarks, old experiments, not given out.
    Reserved,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6(bits: u128, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), length))
}

/// The closed ranges; the first that holds an address counts. From the IANA
/// special-purpose registries, and the metadata services of AWS, Azure, Google,
/// Alibaba and Scaleway.
const CLOSED: &[(IpNet, Kind)] = &[
    (v4(169, 254, 169, 254, 32), Kind::Metadata),
    (v4(169, 254, 170, 2, 32), Kind::Metadata),
    (v4(100, 100, 100, 200, 32), Kind::Metadata),
    (v4(168, 63, 129, 16, 32), Kind::Metadata),
    (v6(0xfd00_0ec2 << 96 | 0x0254, 128), Kind::Metadata),
    (v6(0xfd20_00ce << 96 | 0x0254, 128), Kind::Metadata),
    (v6(0xfd00_0042 << 96 | 0x0042, 128), Kind::Metadata),
    (v4(169, 254, 0, 0, 16), Kind::LinkLocal),
    (v6(0xfe80 << 112, 10), Kind::LinkLocal),
    (v4(127, 0, 0, 0, 8), Kind::Loopback),
    (v6(1, 128), Kind::Loopback),
    (v4(10, 0, 0, 0, 8), Kind::Private),
    (v4(172, 16, 0, 0, 12), Kind::Private),
    (v4(192, 168, 0, 0, 16), Kind::Private),
    (v4(100, 64, 0, 0, 10), Kind::Private),
    (v6(0xfc00 << 112, 7), Kind::Private),
    (v6(0xfec0 << 112, 10), Kind::Private),
    (v6(0x0064_ff9b_0001 << 80, 48), Kind::Private),
    (v4(0, 0, 0, 0, 8), Kind::Nobody),
    (v4(224, 0, 0, 0, 4), Kind::Nobody),
    (v4(255, 255, 255, 255, 32), Kind::Nobody),
    (v6(0, 128), Kind::Nobody),
    (v6(0xff00 << 112, 8), Kind::Nobody),
    (v4(192, 0, 0, 0, 24), Kind::Reserved),
    (v4(192, 0, 2, 0, 24), Kind::Reserved),
    (v4(192, 88, 99, 0, 24), Kind::Reserved),
    (v4(198, 18, 0, 0, 15), Kind::Reserved),
    (v4(198, 51, 100, 0, 24), Kind::Reserved),
    (v4(203, 0, 113, 0, 24), Kind::Reserved),
    (v4(240, 0, 0, 0, 4), Kind::Reserved),
    (v6(0x2001_0002 << 96, 48), Kind::Reserved),
    (v6(0x2001_0010 << 96, 28), Kind::Reserved),
    (v6(0x2001_0020 << 96, 28), Kind::Reserved),
    (v6(0x2001_0db8 << 96, 32), Kind::Reserved),
    (v6(0x3fff << 112, 20), Kind::Reserved),
];

/// All that is public in IPv6: what is given out, and the well-known prefix of NAT64.
const PUBLIC_V6: [IpNet; 2] = [v6(0x2000 << 112, 3), v6(0x0064_ff9b << 96, 96)];

impl Egress {
    /// Allows these ranges (`10.0.0.0/8`) and addresses too.
    ///
    /// # Errors
    /// The first that is neither, and what would do instead.
    pub fn allowing<S: AsRef<str>>(entries: &[S]) -> Result<Self, String> {
        let allow = entries.iter().map(|entry| {
            let entry = entry.as_ref();
            let net = entry
                .parse()
                .or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
            match net {
                Ok(IpNet::V6(net)) if net.addr().to_ipv4_mapped().is_some() => Err(format!(
                    "{entry:?} is IPv4 in IPv6's clothes; write the IPv4 range"
                )),
                Ok(net) => Ok(net),
                Err(_) => Err(format!(
                    "{entry:?} is neither an address nor a range; write for instance 10.0.0.0/8 or fd12::1"
                )),
            }
        });
        Ok(Self {
            allow: allow.collect::<Result<_, _>>()?,
        })
    }

    /// Whether `address` may be dialled, which `host` of a provider's `base_url`
    /// resolves to, or is.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, host: &str, address: IpAddr) -> Result<(), Forbidden> {
        for face in faces(address) {
            if let Some(kind) = closed(face)
                && !self.opens(kind, face)
                && !kind.is_meant(host, address)
            {
                return Err(Forbidden {
                    host: host.into(),
                    address,
                    face,
                    kind,
                });
            }
        }
        Ok(())
    }

    /// Whether configuration allows this address of a closed range.
    fn opens(&self, kind: Kind, face: IpAddr) -> bool {
        let named = |net: &IpNet| {
            let locked = CLOSED.iter().filter(|(_, kind)| kind.is_locked());
            !kind.is_locked() || locked.into_iter().any(|(range, _)| range.contains(net))
        };
        self.allow
            .iter()
            .any(|net| net.contains(&face) && named(net))
    }
}

impl Kind {
    /// Whether only a range that lies within allows it: who opens a private
    /// network, or everything, has not thought of the metadata service.
    fn is_locked(self) -> bool {
        matches!(self, Self::Metadata | Self::LinkLocal)
    }

    /// Whether whoever wrote `host` can have meant nothing but this.
    fn is_meant(self, host: &str, address: IpAddr) -> bool {
        let is_literal = literal(host).is_some_and(|literal| literal == address);
        match self {
            Self::Metadata | Self::LinkLocal | Self::Nobody => false,
            Self::Loopback => is_literal || is_localhost(host),
            Self::Private | Self::Reserved => is_literal,
        }
    }
}

/// The address that `host` is, if it is one and no name.
#[must_use]
pub fn literal(host: &str) -> Option<IpAddr> {
    match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(bare) => bare.parse().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// Whether `host` is no address as it is usually written, but some resolvers take
/// it for one: `2130706433`, `0x7f.1`, `0177.0.0.1`. Names do not end in a number.
#[must_use]
pub fn is_disguised(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    let digits = match last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")) {
        Some(hex) => hex.chars().all(|char| char.is_ascii_hexdigit()),
        None => !last.is_empty() && last.chars().all(|char| char.is_ascii_digit()),
    };
    digits && literal(host).is_none()
}

/// Whether whoever writes `host` can mean nothing but this machine.
#[must_use]
pub fn is_this_machine(host: &str) -> bool {
    is_localhost(host) || literal(host).is_some_and(|address| address.to_canonical().is_loopback())
}

/// RFC 6761: these names are loopback wherever they are asked for.
fn is_localhost(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The range that keeps `address` from being dialled.
fn closed(address: IpAddr) -> Option<Kind> {
    let listed = CLOSED.iter().find(|(range, _)| range.contains(&address));
    match listed {
        Some((_, kind)) => Some(*kind),
        None if address.is_ipv4() => None,
        None if PUBLIC_V6.iter().any(|range| range.contains(&address)) => None,
        None => Some(Kind::Reserved),
    }
}

/// The address, and every IPv4 one that a packet to it may end at.
fn faces(address: IpAddr) -> Vec<IpAddr> {
    let address = address.to_canonical();
    let mut faces = vec![address];
    let IpAddr::V6(v6) = address else {
        return faces;
    };
    let bits = v6.to_bits();
    let mut inner = |shift: u32, mask: u32| {
        let v4 = u32::try_from(bits >> shift & u128::from(u32::MAX)).unwrap_or_default();
        faces.push(Ipv4Addr::from_bits(v4 ^ mask).into());
    };
    match v6.segments() {
        // Unspecified and loopback are themselves and nothing else.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => {}
        // IPv4-compatible, translated (SIIT), NAT64.
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, ..] => {
            inner(0, 0);
        }
        // NAT64 of one's own, where the network has chosen a prefix of 48 bits: the
        // 32 are behind it, around an empty octet. At the end with a longer one.
        [0x64, 0xff9b, 1, high, low, last, ..] => {
            inner(0, 0);
            if (high, low, last) != (0, 0, 0) {
                let [[a, b], [_, c], [d, _]] = [high, low, last].map(u16::to_be_bytes);
                faces.push(Ipv4Addr::new(a, b, c, d).into());
            }
        }
        // 6to4.
        [0x2002, ..] => inner(80, 0),
        // Teredo: its server, and the client's address with every bit turned.
        [0x2001, 0, ..] => {
            inner(64, 0);
            inner(0, u32::MAX);
        }
        // ISATAP.
        [.., 0 | 0x200, 0x5efe, _, _] => inner(0, 0),
        _ => {}
    }
    faces
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            address,
            face,
            kind,
        } = self;
        match literal(host) {
            Some(_) => write!(f, "{host} is ")?,
            None => write!(f, "{host} is at {address}, ")?,
        }
        if face != address {
            write!(f, "another form of {face}, ")?;
        }
        write!(
            f,
            "{kind}; if that is meant, add {face} to security.egress.allow"
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "a cloud's metadata service, which gives out credentials",
            Self::LinkLocal => "a link-local address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Nobody => "an address that belongs to no single host",
            Self::Reserved => "a reserved address",
        })
    }
}

#[cfg(test)]
mod tests;
