"""Thetas and programs that several MemWorld tests draw."""

from hypothesis import strategies as st

from memrl.envs.memworld.theta import STYLES, Theta


@st.composite
def thetas(draw: st.DrawFn) -> Theta:
    """Any theta that a small world can have."""
    whole, share = (lambda low, high: draw(st.integers(low, high))), (lambda high: draw(st.floats(0, high)))
    some = st.lists(st.sampled_from(STYLES), min_size=1, max_size=3, unique=True)

    def styles() -> tuple[str, ...]:
        return tuple(draw(st.just(["plain"]) | some))

    objects, carried = whole(1, 6), whole(0, 4)
    people = whole(2, 5) if carried else whole(0, 3)
    hops = whole(1, 3) if carried else 1
    days = whole(0, 6)
    alias_rate = share(1.0)
    plans = whole(0, 4)
    opening = objects + carried + 2 * people + plans + 10
    questions = whole(1, 12)
    return Theta(
        horizon=opening + questions + whole(0, 60), objects=objects, carried=carried, people=people,
        plans=plans, ask_act=share(2.0) if plans else 0.0, places=whole(2, 16), hops=hops,
        link_kinds=whole(1, 2), questions=questions, delay=whole(0, 12),
        update_rate=share(0.5), retract_rate=share(0.3), contradict_rate=share(0.2), alias_rate=alias_rate,
        distractor_level=whole(0, 3), wait_rate=share(1.0), unanswerable_rate=share(0.6), days=days,
        ask_latest=1.0, ask_day=share(2.0) if days else 0.0, ask_path=share(2.0) if carried else 0.0,
        ask_count=share(2.0), train_styles=styles(), eval_styles=styles(), lower_case=share(1.0), typos=share(1.0),
        disguise_rate=share(1.0),
    )  # fmt: skip
