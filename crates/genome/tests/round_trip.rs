//! A genome of any space is the same, and of the same hash, when it is written and read again.

use genome::{
    Block, Dense, External, Genome, Layers, Metaqnn, MetaqnnLayer, NsgaMacro, Pool, PoolKind, RandomCnn,
};
use proptest::prelude::*;
use serde_json::{Map, Value};

fn block() -> impl Strategy<Value = Block> {
    let kind = prop::sample::select(vec![PoolKind::Max, PoolKind::Average]);
    let pool = prop::option::of((kind, any::<[u32; 2]>()));
    (any::<[u32; 4]>(), any::<bool>(), pool).prop_map(
        |([filters, kernel, stride, padding], batch_norm, pool)| {
            let pool = pool.map(|(kind, [kernel, stride])| Pool { kind, kernel, stride });
            Block { filters, kernel, stride, padding, batch_norm, pool }
        },
    )
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON has no other", |number| number.is_finite())
}

fn random_cnn() -> impl Strategy<Value = Genome> {
    let dense = (any::<u32>(), finite()).prop_map(|(units, dropout)| Dense { units, dropout });
    let lists = (prop::collection::vec(block(), 0..4), prop::collection::vec(dense, 0..3));
    (lists, any::<u32>(), [finite(), finite(), finite()]).prop_map(
        |((blocks, dense), batch_size, [learning_rate, momentum, weight_decay])| {
            Genome::RandomCnn(RandomCnn { blocks, dense, batch_size, learning_rate, momentum, weight_decay })
        },
    )
}

fn nsga_macro() -> impl Strategy<Value = Genome> {
    let nodes = prop::sample::select(vec![2_usize, 3, 4, 5]);
    let phase = nodes.prop_flat_map(|n| prop::collection::vec(0..=1_u8, n * (n - 1) / 2 + 1));
    (prop::collection::vec(phase, 1..5), any::<u32>())
        .prop_map(|(phases, channels)| Genome::NsgaMacro(NsgaMacro { phases, channels }))
}

fn metaqnn() -> impl Strategy<Value = Genome> {
    let layer = (0..6, [1..=u32::MAX, 1..=u32::MAX, 1..=u32::MAX]).prop_map(|(kind, [a, b, c])| match kind {
        0 => MetaqnnLayer::Conv { filters: a, kernel: b, stride: c },
        1 => MetaqnnLayer::Pool { kernel: a, stride: b },
        2 => MetaqnnLayer::Dropout { index: a, of: b },
        3 => MetaqnnLayer::Full { units: a },
        4 => MetaqnnLayer::Average { maps: a },
        _ => MetaqnnLayer::Softmax { classes: a },
    });
    (prop::collection::vec(layer, 0..6), prop::option::of(finite()))
        .prop_map(|(layers, learning_rate)| Genome::Metaqnn(Metaqnn { net: Layers(layers), learning_rate }))
}

/// Any JSON that is a few levels deep.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        finite().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4)
                .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn external() -> impl Strategy<Value = Genome> {
    (prop::collection::btree_map(".{0,4}", json(), 1..4), any::<[u64; 2]>()).prop_map(
        |(map, [parameters, flops])| {
            Genome::External(External { description: map.into_iter().collect(), parameters, flops })
        },
    )
}

proptest! {
    #[test]
    fn a_genome_survives_json(genome in prop_oneof![random_cnn(), nsga_macro(), metaqnn(), external()]) {
        let json = serde_json::to_string(&genome).unwrap();
        let again: Genome = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(again.hash(), genome.hash(), "{}", json);
        prop_assert_eq!(&again, &genome, "{}", json);
        // As it comes out of the database.
        let value = serde_json::to_value(&genome).unwrap();
        prop_assert_eq!(serde_json::from_value::<Genome>(value).unwrap(), genome);
    }
}
