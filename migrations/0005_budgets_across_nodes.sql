-- Limits that hold across gateways: who has taken which part of what, and who spent it.

-- Spend is kept by node too: what one of them had taken is given back when it is known what
-- it has spent. Rows from before know none, and count as those of a node without a name.
alter table spend
    add node             text not null default '',
    add spent_tokens     bigint not null default 0,
    add reserved_tokens  bigint not null default 0,
    drop constraint spend_pkey,
    add primary key (scope_kind, scope_id, hour, node);
alter table spend
    alter node drop default,
    alter spent_tokens drop default,
    alter reserved_tokens drop default;

-- In nano-USD, tokens or requests. No version has let anybody set a downgrade before this
-- one, which asks for the model to serve instead; where there is none, only no is left.
alter table budget rename column limit_nano_usd to amount;
alter table budget rename constraint budget_limit_nano_usd_check to budget_amount_check;
update budget set mode = 'hard' where mode = 'downgrade';
alter table budget
    add unit          text not null default 'usd' check (unit in ('usd', 'tokens', 'requests')),
    add rolling       boolean not null default false,
    add downgrade_to  text,
    add check ((mode = 'downgrade') = (downgrade_to is not null)),
    drop constraint budget_scope_kind_scope_name_time_window_key,
    add unique (scope_kind, scope_name, unit, time_window, rolling);
alter table budget
    alter unit drop default,
    alter rolling drop default;

-- The epoch of a gateway that has been given up is another one when it comes back, also where
-- its row was deleted in between: what it believes it holds is void.
create sequence gateway_epoch;
alter table gateway add epoch bigint not null default nextval('gateway_epoch');

-- What is limited, whatever the limit is at the moment. Its row is the lock under which
-- slices are counted and changed; of several, those with lower ids are locked first.
create table account (
    id           bigint primary key generated always as identity,
    scope_kind   text not null check (scope_kind in ('org', 'team', 'user', 'key', 'agent', 'model')),
    scope_id     uuid not null,               -- no foreign key: it outlives its team or key
    unit         text not null check (unit in ('usd', 'tokens', 'requests')),
    time_window  text not null check (time_window in ('minute', 'hour', 'day', 'month', 'total')),
    rolling      boolean not null,
    unique (scope_kind, scope_id, unit, time_window, rolling)
);

-- What a node has taken of an account in a bucket of its time: all that it has spent and
-- reserved, and what it may still spend without asking. A hard limit is never less than the
-- sum over the nodes and the buckets that count.
create table slice (
    account       bigint not null references account,
    bucket        timestamptz not null,       -- when it starts
    ends          timestamptz not null,
    counts_until  timestamptz not null,       -- later than its end where the window rolls
    node          text not null,
    hourly        boolean not null,           -- whole hours, so that `spend` knows what was spent in it
    granted       bigint not null,
    folded        boolean not null,           -- the node is not there: granted is what `spend` says
    primary key (account, bucket, node)
);
create index slice_node on slice (node);
create index slice_counts_until on slice (counts_until);

-- What `spend` says, spent and reserved, in hours from `since` to before `until`.
create function booked(scope_kind text, scope_id uuid, unit text, node text, since timestamptz, until timestamptz)
returns bigint language sql stable as $$
    select greatest(-9223372036854775807, least(9223372036854775807, coalesce(sum(
        case booked.unit
            when 'usd' then s.spent_nano_usd::numeric + s.reserved_nano_usd
            when 'tokens' then s.spent_tokens::numeric + s.reserved_tokens
            else s.requests
        end), 0)))::bigint
    from spend s
    where s.scope_kind = booked.scope_kind and s.scope_id = booked.scope_id
      and s.hour >= booked.since and s.hour < booked.until and s.node = booked.node
$$;

-- Everything that follows counts under a lock, and so must see what was committed while it
-- waited for it.
create function refuse_old_snapshots() returns void language plpgsql as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'slices are taken at isolation level "read committed"; set default_transaction_isolation to it for this role and database';
    end if;
end
$$;

-- To be called under the locks: whoever gives a node up changes its epoch before it waits for them.
create function refuse_fenced(node text, epoch bigint) returns void language plpgsql as $$
begin
    if not exists (select from gateway g where g.node = refuse_fenced.node and g.epoch = refuse_fenced.epoch) then
        raise exception 'the gateway % has been given up or has started again: what it had taken is not its own any more', node
            using errcode = 'LT001';
    end if;
end
$$;

create function lock_account(scope_kind text, scope_id uuid, unit text, time_window text, rolling boolean)
returns bigint language plpgsql as $$
declare
    found_id bigint;
begin
    loop
        select a.id into found_id from account a
        where (a.scope_kind, a.scope_id, a.unit, a.time_window, a.rolling)
            = (lock_account.scope_kind, lock_account.scope_id, lock_account.unit, lock_account.time_window, lock_account.rolling)
        for update;
        if found then
            return found_id;
        end if;
        insert into account (scope_kind, scope_id, unit, time_window, rolling)
        values (lock_account.scope_kind, lock_account.scope_id, lock_account.unit, lock_account.time_window, lock_account.rolling)
        on conflict do nothing;
    end loop;
end
$$;

-- The first take of a node in a bucket: what was spent before anybody counted it here counts
-- too. Slices of others that are there already are theirs to know.
create function open_bucket(
    account bigint, scope_kind text, scope_id uuid, unit text, node text,
    starts timestamptz, ends timestamptz, counts_from timestamptz, hourly boolean
) returns void language plpgsql as $$
declare
    -- In seconds: days of an interval would be as long as the session's time zone has them.
    width double precision := extract(epoch from ends) - extract(epoch from starts);
    span interval := make_interval(secs => extract(epoch from starts) - extract(epoch from counts_from));
begin
    if hourly then
        insert into slice (account, bucket, ends, counts_until, node, hourly, granted, folded)
        select open_bucket.account, b.starts, b.ends, b.ends + span, b.node, true,
               booked(open_bucket.scope_kind, open_bucket.scope_id, open_bucket.unit, b.node, b.starts, b.ends),
               b.node <> open_bucket.node
        from (
            select distinct on (place, s.node) s.node,
                   open_bucket.starts + make_interval(secs => place * width) as starts,
                   open_bucket.starts + make_interval(secs => (place + 1) * width) as ends
            from spend s,
                 floor((extract(epoch from s.hour) - extract(epoch from open_bucket.starts)) / width) as place
            where s.scope_kind = open_bucket.scope_kind and s.scope_id = open_bucket.scope_id
              and s.hour >= open_bucket.counts_from and s.hour < open_bucket.ends
        ) b
        on conflict on constraint slice_pkey do update
            set granted = greatest(slice.granted, excluded.granted) where slice.node = open_bucket.node;
    end if;
    -- Also without anything in it: that the bucket was opened is remembered.
    insert into slice (account, bucket, ends, counts_until, node, hourly, granted, folded)
    values (open_bucket.account, open_bucket.starts, open_bucket.ends, open_bucket.ends + span,
            open_bucket.node, open_bucket.hourly, 0, false)
    on conflict on constraint slice_pkey do nothing;
end
$$;

-- Takes between `need` and `want` of what a hard limit leaves, or nothing; of another limit,
-- `want`. `used` is what all nodes together have taken then.
create function take_slice(
    node text, epoch bigint,
    scope_kind text, scope_id uuid, unit text, time_window text, rolling boolean,
    starts timestamptz, ends timestamptz, counts_from timestamptz, hourly boolean,
    need bigint, want bigint, most bigint, hard boolean, first boolean,
    out granted bigint, out used bigint
) language plpgsql as $$
declare
    account_id bigint;
    taken numeric;
begin
    perform refuse_old_snapshots();
    account_id := lock_account(take_slice.scope_kind, take_slice.scope_id, take_slice.unit, take_slice.time_window, take_slice.rolling);
    perform refuse_fenced(take_slice.node, take_slice.epoch);
    if first or not exists (
        select from slice s where s.account = account_id and s.bucket = starts and s.node = take_slice.node
    ) then
        perform open_bucket(account_id, take_slice.scope_kind, take_slice.scope_id, take_slice.unit, take_slice.node,
                            starts, take_slice.ends, counts_from, take_slice.hourly);
    end if;
    if not hard then
        update slice s
        set granted = booked(take_slice.scope_kind, take_slice.scope_id, take_slice.unit, s.node, s.bucket, s.ends),
            folded = true
        where s.account = account_id and s.hourly and not s.folded and s.node <> take_slice.node
          and (s.bucket = starts or take_slice.rolling and s.bucket >= counts_from)
          and not exists (select from gateway g where g.node = s.node and g.seen_at > now() - interval '60 seconds');
    end if;
    -- Where the window rolls, a node whose clock is ahead is in the next bucket already.
    select coalesce(sum(s.granted), 0) into taken from slice s
    where s.account = account_id and (s.bucket = starts or take_slice.rolling and s.bucket >= counts_from);
    granted := case
        when not hard then greatest(want, need, 0)
        when most - taken < greatest(need, 1) then 0
        else least(greatest(want, need, 0), most - taken)
    end;
    if granted > 0 then
        update slice s
        set granted = least(9223372036854775807, s.granted::numeric + take_slice.granted), folded = false
        where s.account = account_id and s.bucket = starts and s.node = take_slice.node;
    end if;
    used := greatest(-9223372036854775807, least(9223372036854775807, taken + granted));
end
$$;

-- Takes `amounts` off the node's slices; where `restates`, they are what it holds from now on.
create function change_slices(
    node text, epoch bigint,
    scope_kinds text[], scope_ids uuid[], units text[], time_windows text[], rolling boolean[],
    buckets timestamptz[], amounts bigint[], restates boolean
) returns void language plpgsql as $$
begin
    perform refuse_old_snapshots();
    perform from account a
    where (a.scope_kind, a.scope_id, a.unit, a.time_window, a.rolling) in (
        select * from unnest(scope_kinds, scope_ids, units, time_windows, change_slices.rolling)
    )
    order by a.id for update;
    perform refuse_fenced(change_slices.node, change_slices.epoch);
    update slice s
    set granted = case
            when restates then c.amount
            -- Never below nothing, and what is below it (money that came back late) stays so.
            else s.granted - least(greatest(c.amount, 0), greatest(s.granted, 0))
        end,
        folded = s.folded and not restates
    from (
        select a.id, sent.bucket, least(9223372036854775807, sum(sent.amount))::bigint as amount
        from unnest(scope_kinds, scope_ids, units, time_windows, change_slices.rolling, buckets, amounts)
            as sent (scope_kind, scope_id, unit, time_window, rolls, bucket, amount)
        join account a on (a.scope_kind, a.scope_id, a.unit, a.time_window, a.rolling)
            = (sent.scope_kind, sent.scope_id, sent.unit, sent.time_window, sent.rolls)
        group by a.id, sent.bucket
    ) c
    -- Of a folded one nothing is left that could be given back.
    where s.account = c.id and s.bucket = c.bucket and s.node = change_slices.node and (restates or not s.folded);
end
$$;

-- What `spend` says of them is all that the slices of a node are from now on. Those that are
-- finer than hours stay as they are, until they do not count any more.
create function fold_slices(node text, out slices bigint, out nano_usd bigint, out tokens bigint, out requests bigint)
language plpgsql as $$
begin
    perform refuse_old_snapshots();
    perform from account a
    where a.id in (select s.account from slice s where s.node = fold_slices.node)
    order by a.id for update;
    with before as (
        select s.account, s.bucket, a.unit, s.granted,
               booked(a.scope_kind, a.scope_id, a.unit, s.node, s.bucket, s.ends) as booked
        from slice s join account a on a.id = s.account
        where s.node = fold_slices.node and s.hourly
    ), folded as (
        update slice s set granted = b.booked, folded = true
        from before b
        where s.account = b.account and s.bucket = b.bucket and s.node = fold_slices.node
        returning b.unit, b.granted::numeric - b.booked as back
    )
    select count(*),
           least(9223372036854775807, coalesce(sum(f.back) filter (where f.unit = 'usd'), 0)),
           least(9223372036854775807, coalesce(sum(f.back) filter (where f.unit = 'tokens'), 0)),
           least(9223372036854775807, coalesce(sum(f.back) filter (where f.unit = 'requests'), 0))
    into slices, nano_usd, tokens, requests
    from folded f where f.back <> 0;
end
$$;

-- For a gateway that starts: whatever a process before it believes to hold is void.
create function reclaim_slices(node text) returns bigint language plpgsql as $$
declare
    new_epoch bigint;
begin
    insert into gateway as g (node, seen_revision, seen_at) values (reclaim_slices.node, 0, now())
    on conflict on constraint gateway_pkey do update set epoch = nextval('gateway_epoch'), seen_at = now()
    returning g.epoch into new_epoch;
    perform fold_slices(reclaim_slices.node);
    return new_epoch;
end
$$;

-- For a gateway that an operator has given up.
create function release_slices(
    node text,
    out known boolean, out alive boolean,
    out slices bigint, out nano_usd bigint, out tokens bigint, out requests bigint
) language plpgsql as $$
begin
    alive := false;
    slices := 0; nano_usd := 0; tokens := 0; requests := 0;
    known := exists (select from gateway g where g.node = release_slices.node)
          or exists (select from slice s where s.node = release_slices.node);
    if not known then
        return;
    end if;
    -- Its row is held until the end: it may be about to start.
    insert into gateway as g (node, seen_revision, seen_at) values (release_slices.node, 0, '-infinity')
    on conflict on constraint gateway_pkey do update set epoch = nextval('gateway_epoch')
        where g.seen_at <= now() - interval '90 seconds';
    if not found then
        alive := true;
        return;
    end if;
    select f.slices, f.nano_usd, f.tokens, f.requests from fold_slices(release_slices.node) f
    into slices, nano_usd, tokens, requests;
end
$$;
