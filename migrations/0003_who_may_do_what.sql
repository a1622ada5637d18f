-- Who may do what: organisations, users and agents, what they are granted, and the gateways
-- that follow all of it.

create table org (
    id          uuid primary key,
    name        text not null unique,
    created_at  timestamptz not null
);

alter table team
    add org_id          uuid references org,  -- no "on delete": what is left over would belong to nobody
    add classification  text;                 -- null: its data are not classified

create table app_user (
    id           uuid primary key,
    name         text not null unique,
    org_id       uuid references org,
    team_id      uuid references team,
    issuer       text,                        -- who names it in tokens: `iss`, exactly
    subject      text,
    created_at   timestamptz not null,
    disabled_at  timestamptz,
    check ((issuer is null) = (subject is null)),
    unique (issuer, subject)
);

create table agent (
    id           uuid primary key,
    name         text not null unique,
    team_id      uuid references team,
    owner_id     uuid references app_user,    -- disabled with its owner
    created_at   timestamptz not null,
    disabled_at  timestamptz
);

-- A key is its own, a user's or an agent's. While a rotation overlaps, the secret before
-- counts too: as the same key, with its limits and its spend.
alter table api_key
    add user_id       uuid references app_user,
    add agent_id      uuid references agent,
    add former_mac    bytea unique check (octet_length(former_mac) = 32),
    add former_until  timestamptz,
    add check (num_nonnulls(user_id, agent_id) <= 1),
    add check ((former_mac is null) = (former_until is null));
create index api_key_user on api_key (user_id) where user_id is not null;
create index api_key_agent on api_key (agent_id) where agent_id is not null;

create table role (
    name         text primary key,
    permissions  text not null,               -- a JSON array, checked before it came here
    created_at   timestamptz not null
);

-- A role is named, not pointed at: those of the policy set's files have no row. The four
-- references keep a grant from outliving its holder; ids are unique beyond their tables, so
-- one column finds what any of them holds.
create table role_grant (
    role       text not null,
    level      text not null check (level in ('org', 'team', 'own')),
    user_id    uuid references app_user on delete cascade,
    agent_id   uuid references agent on delete cascade,
    key_id     uuid references api_key on delete cascade,
    team_id    uuid references team on delete cascade,
    holder_id  uuid not null generated always as (coalesce(user_id, agent_id, key_id, team_id)) stored,
    check (num_nonnulls(user_id, agent_id, key_id, team_id) = 1),
    primary key (holder_id, role, level)
);

-- Whose certificate it is: by a name that it carries (`uri:…`, `dns:…`, `email:…`, `cn:…`)
-- or by its fingerprint (`sha256:` and 64 hex digits).
create table certificate (
    id          uuid primary key,
    name        text not null unique,
    user_id     uuid references app_user on delete cascade,
    agent_id    uuid references agent on delete cascade,
    created_at  timestamptz not null,
    check (num_nonnulls(user_id, agent_id) = 1)
);

-- Each gateway says how far it has followed. Whoever changes something learns from it when
-- the change is in force everywhere. Times are the database's own: gateways have other clocks.
create table gateway (
    node           text primary key,
    seen_revision  bigint not null,
    seen_at        timestamptz not null
);
