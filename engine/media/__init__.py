"""Other people's pictures and videos: fetched from public addresses only, and looked at."""
