"""Pure rules of formats: bodies, JSON, payloads, signatures, cursors."""
