-- What serving a request leaves behind: the audit chain, and the sums drawn from it.

-- One row for each scope and UTC hour. A reservation and its settlement land in the same
-- hour (that of the intent), so the reserved sum returns to zero where it was raised.
create table spend (
    scope_kind          text not null check (scope_kind in ('org', 'team', 'user', 'key', 'agent', 'model')),
    scope_id            uuid not null,        -- no foreign key: spend outlives its team or key
    hour                timestamptz not null,
    spent_nano_usd      bigint not null,
    reserved_nano_usd   bigint not null,
    estimated_nano_usd  bigint not null,      -- the part of spent that no provider reported
    requests            bigint not null,
    primary key (scope_kind, scope_id, hour)
);

-- One chain for each start of a process. The head is a convenience: the leaves are the truth.
create table audit_chain (
    id          uuid primary key,
    node        text not null,
    started_at  timestamptz not null,
    previous    uuid,                         -- no foreign key: the chain before may still be in a journal
    head_seq    bigint,
    head_hash   bytea check (octet_length(head_hash) = 32),
    check ((head_seq is null) = (head_hash is null))
);
create index audit_chain_node on audit_chain (node, started_at);

create table audit_leaf (
    chain  uuid not null references audit_chain,
    seq    bigint not null check (seq >= 0),
    leaf   text not null,                     -- the canonical JSON that was hashed, byte for byte; jsonb would re-order it
    hash   bytea not null check (octet_length(hash) = 32),
    primary key (chain, seq)
);
