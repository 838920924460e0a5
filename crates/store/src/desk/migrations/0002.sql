-- Who has signed in elsewhere, and is known by a cookie for a while.
CREATE TABLE desk_session (
    -- SHA-256 of what the cookie holds.
    hash TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    -- Patterns of names of orgs, as JSON; null means every org.
    orgs TEXT,
    expires_ms BIGINT NOT NULL
);

-- Who was sent to sign in elsewhere, and has not come back.
CREATE TABLE desk_login (
    -- SHA-256 of the state that comes back with them.
    hash TEXT NOT NULL PRIMARY KEY,
    -- What was asked with, as JSON.
    asked TEXT NOT NULL,
    expires_ms BIGINT NOT NULL
);
