"""The operators' commands: doors that translate, as the web's do."""
