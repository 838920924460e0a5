CREATE TABLE onboarding (
    org TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_key TEXT NOT NULL,
    target_id TEXT NOT NULL,
    run TEXT NOT NULL,
    round BIGINT NOT NULL,
    stage TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    -- Nothing of a secret is in it: core takes them out of what others answer.
    last_error TEXT,
    external_id TEXT,
    next_ms BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (org, kind, object_key)
);
