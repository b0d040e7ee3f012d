"""JSON Schema: compiled, checked, and checked in processes that can be ended."""
