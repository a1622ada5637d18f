-- What an operator declares at run time: teams, keys, budgets and settings.

create table team (
    id          uuid primary key,
    name        text not null unique,
    models      text[],                       -- null: every model that policy allows
    created_at  timestamptz not null
);

create table api_key (
    id          uuid primary key,
    name        text not null,
    team_id     uuid references team,         -- no "on delete": a live key must not lose its team's limits
    mac         bytea not null unique check (octet_length(mac) = 32),  -- HMAC-SHA-256 of the secret under the pepper
    models      text[],                       -- null: every model of the team
    created_at  timestamptz not null,
    expires_at  timestamptz,
    revoked_at  timestamptz
);

-- A revoked key gives its name free, and stays for the records that mention its id.
create unique index api_key_live_name on api_key (name) where revoked_at is null;
create index api_key_team on api_key (team_id) where team_id is not null;

-- A budget names its scope instead of pointing at a row: it may be set before the team or
-- key exists, and it outlives a revoked key, so that a new key of that name starts limited.
create table budget (
    id              uuid primary key,
    scope_kind      text not null check (scope_kind in ('org', 'team', 'user', 'key', 'agent', 'model')),
    scope_name      text not null,
    time_window     text not null check (time_window in ('minute', 'hour', 'day', 'month', 'total')),
    limit_nano_usd  bigint not null check (limit_nano_usd >= 0),
    mode            text not null check (mode in ('hard', 'soft', 'downgrade')),
    unique (scope_kind, scope_name, time_window)
);

-- Counters that tell a replica that what it remembers is old. Bumped in the transaction of
-- the change itself, so nobody sees the new number with the old rows.
create table revision (
    name   text primary key,
    value  bigint not null
);
insert into revision (name, value) values ('identity', 0);

-- Facts that hold for the whole installation, such as the fingerprint of the pepper.
create table setting (
    name   text primary key,
    value  text not null
);
