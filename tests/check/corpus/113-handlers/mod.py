from bridge.handlers import Context


def plain() -> None: ...
async def untyped(a) -> None: ...


async def asking(ctx: Context) -> str:
    return await ctx.elicit("approve", {})
