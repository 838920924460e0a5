CREATE TABLE desk_job (
    id TEXT NOT NULL PRIMARY KEY,
    -- How the caller calls it: asking twice is asking once.
    caller TEXT,
    kind TEXT NOT NULL,
    -- The org that is written to, or read where none is.
    org TEXT NOT NULL,
    task TEXT NOT NULL,
    actor TEXT NOT NULL,
    state TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    started_ms BIGINT,
    ended_ms BIGINT,
    attempt BIGINT NOT NULL,
    -- How often it was taken over from a worker that gave no sign of life.
    taken_over BIGINT NOT NULL,
    worker TEXT,
    -- The last sign of life of the worker.
    beat_ms BIGINT,
    exit_code BIGINT,
    message TEXT,
    result TEXT,
    progress TEXT,
    cancelled BIGINT NOT NULL
);

CREATE UNIQUE INDEX desk_job_by_caller ON desk_job (org, kind, caller);

CREATE INDEX desk_job_by_time ON desk_job (created_ms, id);

CREATE TABLE desk_event (
    job TEXT NOT NULL REFERENCES desk_job (id),
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (job, seq)
);

CREATE TABLE desk_file (
    job TEXT NOT NULL REFERENCES desk_job (id),
    name TEXT NOT NULL,
    media TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size BIGINT NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (job, name)
);

CREATE TABLE desk_token (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- SHA-256 of the token; the token itself is shown once and kept nowhere.
    hash TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    -- Patterns of names of orgs, as JSON; null means every org.
    orgs TEXT,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    used_ms BIGINT,
    revoked_ms BIGINT
);

CREATE TABLE desk_approval (
    digest TEXT NOT NULL,
    actor TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (digest, actor)
);

CREATE TABLE desk_act (
    id TEXT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    org TEXT,
    subject TEXT,
    outcome TEXT NOT NULL
);

CREATE INDEX desk_act_by_time ON desk_act (at_ms, id);

CREATE TABLE desk_setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
