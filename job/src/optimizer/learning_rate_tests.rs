use super::*;

fn rates(decay: Decay) -> LearningRate {
    LearningRate {
        peak: 2.0,
        warmup_steps: 4,
        total_steps: 20,
        decay,
    }
}

fn near(got: f64, want: f64) -> bool {
    (got - want).abs() < 1e-12
}

#[test]
fn the_warm_up_is_a_line_from_zero() {
    for decay in [Decay::Cosine, Decay::Linear, Decay::Constant] {
        let rate = rates(decay);
        assert_eq!(rate.at(0), 0.0);
        assert_eq!(rate.at(1), 0.5);
        assert_eq!(rate.at(4), 2.0, "the peak is where the warm-up ends");
    }
}

#[test]
fn decays_reach_zero_at_the_last_step_and_stay_there() {
    // From `transformers.get_cosine_schedule_with_warmup` at half of the way: 0.5 (1 + cos(pi / 2)).
    assert!(near(rates(Decay::Cosine).at(12), 1.0));
    assert!(near(
        rates(Decay::Cosine).at(8),
        2.0 * 0.853_553_390_593_273_8
    ));
    assert!(near(rates(Decay::Linear).at(12), 1.0));
    for decay in [Decay::Cosine, Decay::Linear] {
        assert!(near(rates(decay).at(20), 0.0));
        assert!(near(rates(decay).at(35), 0.0), "a cosine would rise again");
    }
    assert_eq!(rates(Decay::Constant).at(35), 2.0);
}

#[test]
fn a_warm_up_as_long_as_the_run_divides_by_nothing() {
    let rate = LearningRate {
        warmup_steps: 20,
        ..rates(Decay::Cosine)
    };
    assert_eq!(rate.at(20), 2.0);
}
