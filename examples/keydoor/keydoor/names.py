"""What the two splits call doors and keys (no word of one split occurs in the other), and the chatter of both."""

DOORS = {
    "train": "amber azure beige black blue bronze brown crimson cyan emerald golden gray green indigo ivory khaki "
    "lilac lime maroon mauve navy olive orange pink purple red scarlet silver teal turquoise violet white".split(),
    "eval": "apricot burgundy cobalt coral fuchsia lavender magenta mustard ochre peach rose saffron sapphire "
    "tan umber yellow".split(),
}
KEYS = {
    "train": "acorn anchor arrow badger barrel beacon bishop bridge candle castle cherry clover comet copper crown "
    "dagger dragon eagle falcon feather fiddle garnet hammer harbor hazel heron ladder lantern lion lotus maple "
    "marble meteor mirror needle nettle orchid otter".split(),
    "eval": "pebble phoenix pigeon raven ribbon rocket saddle salmon shadow sparrow spider spiral temple thistle "
    "thunder tiger trumpet walnut willow wolf".split(),
}
CHATTER = (
    "A draught moves the curtains of hall {}.", "Somebody laughs far away in hall {}.", "Hall {} smells of old paper.",
    "The clock of hall {} has stopped.", "Dust lies on the carpet of hall {}.", "A cat sleeps in the corner of hall {}.",
    "Rain taps on the windows of hall {}.", "The floor of hall {} creaks at every step.",
)  # fmt: skip
