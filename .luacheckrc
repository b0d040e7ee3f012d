-- The Lua of the bridge runs inside Redis, which has these beside the language itself.
std = "lua51"
read_globals = {"redis", "cjson", "cmsgpack", "bit"}
max_line_length = 100
max_cyclomatic_complexity = 12
