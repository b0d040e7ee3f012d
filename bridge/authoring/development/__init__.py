"""`dev`: the whole bridge for whoever writes servers, with what happens in it in view."""
