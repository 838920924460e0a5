//! What orgsmith knows of Architect flow sources.
