use super::*;

const ROWS: usize = 8;

fn measures(query: f64, document: f64) -> Vec<f64> {
    let mut values = vec![1.0; MEASURES.len()];
    values[ACTIVE_DIMENSIONS_QUERY] = query;
    values[ACTIVE_DIMENSIONS_DOCUMENT] = document;
    values
}

/// Looks at `steps` steps of one batch of 8 with these measures; gives the step and reason of the first refusal.
fn watch(guard: &mut Guard, steps: u64, values: &[f64], norm: f64) -> Option<(u64, Collapse)> {
    let batches = [vec![3u32; ROWS]];
    (0..steps).find_map(|step| {
        let place = Place {
            step,
            epoch: 2,
            first_batch: step as usize,
            batches: &batches,
        };
        let refused = guard.look(place, &[values.to_vec()], norm).err()?;
        Some((step, refused))
    })
}

#[test]
fn the_measures_are_where_the_guard_looks() {
    assert_eq!(MEASURES[ACTIVE_DIMENSIONS_QUERY], "active_dimensions_query");
    assert_eq!(
        MEASURES[ACTIVE_DIMENSIONS_DOCUMENT],
        "active_dimensions_document"
    );
}

#[test]
fn one_empty_batch_is_chance_and_64_empty_rows_are_not() {
    let mut guard = Guard::new(1000);
    assert_eq!(watch(&mut guard, 7, &measures(0.0, 5.0), 1.0), None);
    assert_eq!(watch(&mut guard, 1, &measures(2.0, 5.0), 1.0), None);
    let (step, reason) = watch(&mut guard, 9, &measures(0.0, 5.0), 1.0).unwrap();
    assert_eq!(step, 7);
    assert!(matches!(
        reason,
        Collapse::Empty {
            side: "query",
            batch: 7,
            ..
        }
    ));
}

#[test]
fn a_dense_start_is_allowed_and_a_dense_run_is_not() {
    let mut guard = Guard::new(1000);
    let dense = measures(10.0, 995.0);
    assert_eq!(watch(&mut guard, 199, &dense, 1.0), None);
    assert_eq!(watch(&mut guard, 1, &measures(10.0, 900.0), 1.0), None);
    let (step, reason) = watch(&mut guard, 300, &dense, 1.0).unwrap();
    assert_eq!(step, 199);
    assert!(matches!(
        reason,
        Collapse::Dense {
            side: "document",
            ..
        }
    ));
}

#[test]
fn what_is_not_finite_is_named_with_its_triplets() {
    let mut values = measures(1.0, 1.0);
    values[1] = f64::NAN;
    let (_, reason) = watch(&mut Guard::new(9), 1, &values, 1.0).unwrap();
    let Collapse::NotFinite {
        measure, triplets, ..
    } = reason
    else {
        panic!("{reason}")
    };
    assert_eq!((measure, triplets), ("infonce", vec![3; ROWS]));
    let gradient = watch(&mut Guard::new(9), 1, &measures(1.0, 1.0), f64::INFINITY);
    assert!(matches!(gradient, Some((0, Collapse::Gradient { .. }))));
}
