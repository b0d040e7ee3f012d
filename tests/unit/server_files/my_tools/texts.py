"""What the workflow of the example in Python runs."""


async def count_words(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())
