"""Who studies failed episodes: one file a reflector. ``memrl.reflection.study`` proves what they say."""
