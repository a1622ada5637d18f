-- Whom tokens named and who was deleted: refused, until a user is made for the pair again.
-- Without this a token would be served as that of somebody whom nobody here knows.

create table deleted_subject (
    issuer   text not null,
    subject  text not null,
    primary key (issuer, subject)
);
