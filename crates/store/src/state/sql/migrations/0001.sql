CREATE TABLE lease (
    org TEXT NOT NULL PRIMARY KEY,
    -- Empty when it was given back; the fence stays, so that it never counts down.
    owner TEXT NOT NULL,
    fence BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);

CREATE TABLE run (
    id TEXT NOT NULL PRIMARY KEY,
    org TEXT NOT NULL,
    source TEXT NOT NULL,
    plan_digest TEXT NOT NULL,
    plan TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    status TEXT NOT NULL
);

CREATE INDEX run_by_org ON run (org, created_ms);

CREATE TABLE journal (
    run TEXT NOT NULL REFERENCES run (id),
    seq BIGINT NOT NULL,
    step TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (run, seq)
);

CREATE TABLE mapping (
    source_org TEXT NOT NULL,
    target_org TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_key TEXT NOT NULL,
    source_id TEXT,
    target_id TEXT NOT NULL,
    run TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (source_org, target_org, kind, object_key)
);

CREATE INDEX mapping_by_target ON mapping (target_org, target_id);

CREATE INDEX mapping_by_source ON mapping (source_org, source_id);

CREATE TABLE pin (
    org TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_key TEXT NOT NULL,
    target_id TEXT NOT NULL,
    PRIMARY KEY (org, kind, object_key)
);

CREATE TABLE snapshot (
    org TEXT NOT NULL,
    number BIGINT NOT NULL,
    label TEXT NOT NULL,
    taken_ms BIGINT NOT NULL,
    size BIGINT NOT NULL,
    -- Deflated. PostgreSQL's name of the type; SQLite takes any.
    content BYTEA NOT NULL,
    PRIMARY KEY (org, number)
);

CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
