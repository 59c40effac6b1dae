"""Who studies failed episodes: one file a reflector. ``memrl.reflect`` proves what they say."""
