use super::*;

fn admitted(egress: &Egress, host: &str, address: &str) -> bool {
    let address = address.parse().unwrap_or_else(|_| panic!("{address}"));
    egress.admit(host, address).is_ok()
}

fn allowing(entries: &[&str]) -> Egress {
    Egress::allowing(entries).unwrap()
}

/// Addresses that a name may resolve to, and what is said of those that it may not.
const NAMED: &[(&str, &str)] = &[
    ("1.1.1.1", ""),
    ("8.8.8.8", ""),
    ("9.255.255.255", ""),
    ("11.0.0.0", ""),
    ("100.63.255.255", ""),
    ("100.128.0.0", ""),
    ("126.255.255.255", ""),
    ("128.0.0.0", ""),
    ("169.253.255.255", ""),
    ("169.255.0.0", ""),
    ("172.15.255.255", ""),
    ("172.32.0.0", ""),
    ("192.167.255.255", ""),
    ("192.169.0.0", ""),
    ("198.17.255.255", ""),
    ("198.20.0.0", ""),
    ("223.255.255.255", ""),
    ("2606:4700:4700::1111", ""),
    ("2a00:1450:4001:82f::200e", ""),
    ("2001:4860:4860::8888", ""),
    ("::ffff:8.8.8.8", ""),
    ("64:ff9b::808:808", ""),
    ("2002:808:808::1", ""),
    ("2001:0:808:808:8000:63bf:f7f7:f7f7", ""),
    ("127.0.0.1", "loopback"),
    ("127.255.255.255", "loopback"),
    ("::1", "loopback"),
    ("::ffff:127.0.0.1", "loopback"),
    ("64:ff9b::7f00:1", "loopback"),
    ("2002:7f00:1::", "loopback"),
    ("169.254.0.1", "link-local"),
    ("169.254.255.255", "link-local"),
    ("fe80::1", "link-local"),
    ("febf:ffff::1", "link-local"),
    ("::ffff:169.254.1.1", "link-local"),
    ("169.254.169.254", "metadata"),
    ("169.254.170.2", "metadata"),
    ("100.100.100.200", "metadata"),
    ("168.63.129.16", "metadata"),
    ("fd00:ec2::254", "metadata"),
    ("fd20:ce::254", "metadata"),
    ("fd00:42::42", "metadata"),
    ("::ffff:169.254.169.254", "metadata"),
    ("64:ff9b::a9fe:a9fe", "metadata"),
    ("2002:a9fe:a9fe::1", "metadata"),
    // Teredo: the client's address is turned around; a server of it is not.
    ("2001:0:808:808:0:0:5601:5601", "metadata"),
    ("2001:0:a9fe:a9fe:8000:63bf:f7f7:f7f7", "metadata"),
    ("2a00:1450::5efe:a9fe:a9fe", "metadata"),
    ("2a00:1450::200:5efe:10.0.0.1", "private"),
    ("10.0.0.0", "private"),
    ("10.255.255.255", "private"),
    ("172.16.0.0", "private"),
    ("172.31.255.255", "private"),
    ("192.168.0.1", "private"),
    ("100.64.0.0", "private"),
    ("100.127.255.255", "private"),
    ("fc00::1", "private"),
    ("fdff:ffff::1", "private"),
    ("fec0::1", "private"),
    ("::ffff:10.0.0.1", "private"),
    ("64:ff9b::a00:1", "private"),
    ("64:ff9b:1::808:808", "private"),
    ("0.0.0.0", "no single host"),
    ("0.1.2.3", "no single host"),
    ("::", "no single host"),
    ("::ffff:0.0.0.0", "no single host"),
    ("224.0.0.1", "no single host"),
    ("239.255.255.255", "no single host"),
    ("255.255.255.255", "no single host"),
    ("ff02::1", "no single host"),
    ("192.0.0.1", "reserved"),
    ("192.0.2.1", "reserved"),
    ("192.88.99.1", "reserved"),
    ("198.18.0.1", "reserved"),
    ("198.19.255.255", "reserved"),
    ("198.51.100.1", "reserved"),
    ("203.0.113.1", "reserved"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.254", "reserved"),
    ("2001:db8::1", "reserved"),
    ("3fff::1", "reserved"),
    ("2001:2::1", "reserved"),
    ("2001:10::1", "reserved"),
    ("2001:2f::1", "reserved"),
    ("100::1", "reserved"),
    ("5f00::1", "reserved"),
    ("::8.8.8.8", "reserved"),
    ("::ffff:0:8.8.8.8", "reserved"),
    ("4000::1", "reserved"),
];

#[test]
fn a_name_leads_to_public_addresses_only() {
    for (address, why) in NAMED {
        let judged = Egress::default().admit("llm.example", address.parse().unwrap());
        let said = judged.err().map(|forbidden| forbidden.to_string());
        match &said {
            None => assert_eq!(*why, "", "{address} is admitted"),
            Some(said) => assert!(
                !why.is_empty() && said.contains(why),
                "{address} ({why}): {said}"
            ),
        }
    }
    println!("{} addresses", NAMED.len());
}

#[test]
fn a_refusal_names_host_address_reason_and_mend() {
    let refused = |host: &str, address: &str| {
        let judged = Egress::default().admit(host, address.parse().unwrap());
        judged.unwrap_err().to_string()
    };
    assert_eq!(
        refused("vllm.default.svc", "10.1.2.3"),
        "vllm.default.svc is at 10.1.2.3, a private address; if that is meant, add 10.1.2.3 to security.egress.allow"
    );
    assert_eq!(
        refused("rebound.example", "64:ff9b::a9fe:a9fe"),
        "rebound.example is at 64:ff9b::a9fe:a9fe, another form of 169.254.169.254, a cloud's metadata service, which gives out credentials; if that is meant, add 169.254.169.254 to security.egress.allow"
    );
    assert_eq!(
        refused("169.254.1.1", "169.254.1.1"),
        "169.254.1.1 is a link-local address; if that is meant, add 169.254.1.1 to security.egress.allow"
    );
}

#[test]
fn a_literal_is_meant_unless_it_can_be_no_provider() {
    let egress = Egress::default();
    for meant in [
        "127.0.0.1",
        "127.9.9.9",
        "10.0.0.5",
        "192.168.1.2",
        "100.64.0.1",
        "198.18.0.1",
    ] {
        assert!(admitted(&egress, meant, meant), "{meant}");
    }
    for (host, address) in [
        ("[::1]", "::1"),
        ("[fd12::5]", "fd12::5"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
    ] {
        assert!(admitted(&egress, host, address), "{host}");
    }
    for never in [
        "169.254.169.254",
        "169.254.0.9",
        "100.100.100.200",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        assert!(!admitted(&egress, never, never), "{never}");
    }
    for (host, address) in [
        ("[fe80::1]", "fe80::1"),
        ("[fd00:ec2::254]", "fd00:ec2::254"),
        ("[::ffff:169.254.169.254]", "::ffff:169.254.169.254"),
        ("[2002:a9fe:a9fe::]", "2002:a9fe:a9fe::"),
    ] {
        assert!(!admitted(&egress, host, address), "{host}");
    }
    assert!(
        !admitted(&egress, "127.0.0.1", "127.0.0.2"),
        "that one address"
    );
    assert!(
        !admitted(&egress, "10.0.0.5", "127.0.0.1"),
        "that one address"
    );
}

#[test]
fn localhost_is_loopback_and_nothing_else() {
    let egress = Egress::default();
    for host in ["localhost", "LocalHost", "localhost.", "ollama.localhost"] {
        assert!(admitted(&egress, host, "127.0.0.1"), "{host}");
        assert!(admitted(&egress, host, "::1"), "{host}");
        assert!(!admitted(&egress, host, "10.0.0.1"), "{host}");
        assert!(!admitted(&egress, host, "169.254.169.254"), "{host}");
    }
    for host in ["localhost.example", "notlocalhost", "loopback"] {
        assert!(!admitted(&egress, host, "127.0.0.1"), "{host}");
    }
}

#[test]
fn what_is_allowed_opens_itself_in_every_form() {
    let egress = allowing(&["10.0.0.0/8", "fd12::/16", "192.168.1.7"]);
    for open in [
        "10.9.8.7",
        "::ffff:10.9.8.7",
        "64:ff9b::a09:807",
        "fd12:1::1",
        "192.168.1.7",
    ] {
        assert!(admitted(&egress, "vllm.svc", open), "{open}");
    }
    for closed in ["192.168.1.8", "fd13::1", "127.0.0.1", "172.16.0.1"] {
        assert!(!admitted(&egress, "vllm.svc", closed), "{closed}");
    }
}

#[test]
fn the_metadata_service_opens_to_its_own_name_alone() {
    let wide = allowing(&[
        "0.0.0.0/0",
        "::/0",
        "169.0.0.0/8",
        "fd00::/8",
        "100.64.0.0/10",
    ]);
    for closed in [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "::ffff:169.254.169.254",
    ] {
        assert!(!admitted(&wide, "h", closed), "{closed}");
    }
    assert!(admitted(&wide, "h", "127.0.0.1") && admitted(&wide, "h", "100.64.0.1"));
    let named = allowing(&["169.254.169.254", "fd00:ec2::254/128", "fe80::/16"]);
    for open in [
        "169.254.169.254",
        "fd00:ec2::254",
        "fe80::1",
        "::ffff:169.254.169.254",
    ] {
        assert!(admitted(&named, "h", open), "{open}");
    }
    assert!(!admitted(&named, "h", "169.254.1.1"));
}

#[test]
fn an_entry_that_allows_nothing_is_refused() {
    for wrong in [
        "",
        "10.0.0.0/33",
        "10.0.0",
        "vllm.svc",
        "10.0.0.0-10.0.0.9",
        "::ffff:10.0.0.0/104",
    ] {
        let said = Egress::allowing(&[wrong]).unwrap_err();
        assert!(said.contains(&format!("{wrong:?}")), "{said}");
    }
}

#[test]
fn numbers_that_some_resolver_reads_as_an_address_are_known() {
    for disguised in [
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0x7f000001",
        "127.0.0.1.",
        "1.2.3.0X4",
        "0x",
        "example.09",
    ] {
        assert!(is_disguised(disguised), "{disguised}");
    }
    for plain in [
        "127.0.0.1",
        "[::1]",
        "example.com",
        "0x7f.example",
        "1.example.com.",
        "10.0.0.1.nip.io",
    ] {
        assert!(!is_disguised(plain), "{plain}");
    }
}
