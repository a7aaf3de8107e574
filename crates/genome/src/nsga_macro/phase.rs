use crate::{GenomeError, Layer, Plan};

/// Most nodes of a phase: the canonical form tries all their orders.
pub(super) const MOST_NODES: usize = 7;

/// The graph of a phase. Node 0 is what enters the phase, the last one what leaves it; the others, in between, are its
/// convolutions. Nodes without connections are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Graph {
    /// For each node its inputs, rising, each before it; node 0 has none, every other node at least one.
    inputs: Vec<Vec<usize>>,
}

impl Graph {
    /// Decodes the bits of a phase: `None` for a phase without a connection between nodes. The error says which bits
    /// are allowed.
    ///
    /// A node with outputs and without inputs takes what enters the phase; one with inputs and without outputs goes
    /// to its end, as does what enters the phase if the skip bit is set.
    pub(super) fn decode(bits: &[u8]) -> Result<Option<Self>, String> {
        let nodes = (2..=MOST_NODES).find(|n| n * (n - 1) / 2 + 1 == bits.len());
        let nodes = nodes.filter(|_| bits.iter().all(|&bit| bit <= 1));
        let nodes =
            nodes.ok_or_else(|| format!("0 or 1, n·(n - 1)/2 + 1 times for 2 to {MOST_NODES} nodes"))?;
        let from = |to: usize| (1..to).filter(move |j| bits[(to - 1) * (to - 2) / 2 + j - 1] == 1);
        let taken = |node: usize| (node + 1..=nodes).any(|to| from(to).any(|j| j == node));
        let active: Vec<usize> = (1..=nodes).filter(|&i| from(i).next().is_some() || taken(i)).collect();
        if active.is_empty() {
            return Ok(None);
        }
        let place =
            |node: usize| 1 + active.iter().position(|&a| a == node).expect("connected nodes are active");
        let mut inputs = vec![vec![]];
        for &node in &active {
            let before: Vec<usize> = from(node).map(place).collect();
            inputs.push(if before.is_empty() { vec![0] } else { before });
        }
        let skip = (bits[bits.len() - 1] == 1).then_some(0);
        let ends = active.iter().filter(|&&i| !taken(i)).map(|&i| place(i));
        inputs.push(skip.into_iter().chain(ends).collect());
        Ok(Some(Self { inputs }))
    }

    /// Convolutions of the phase.
    fn nodes(&self) -> usize {
        self.inputs.len() - 2
    }

    /// The graph written so that two graphs have the same text exactly if they differ in nothing but the order of
    /// their nodes: the least of the texts of all orders.
    pub(super) fn canonical(&self) -> String {
        let mask = |inputs: &Vec<usize>| inputs.iter().fold(0_u16, |mask, input| mask | 1 << input);
        let taken: Vec<u16> = self.inputs.iter().map(mask).collect();
        let mut order: Vec<usize> = (0..self.inputs.len()).collect();
        let mut least = matrix(&taken, &order);
        let last = self.nodes();
        permutations(&mut order, 1, last, &mut |order| {
            least = least.min(matrix(&taken, order));
        });
        format!("{}:{least:x}", self.nodes())
    }

    /// Adds the phase behind the newest node of `plan`, which has the phase's `channels` already.
    pub(super) fn plan(&self, name: &str, channels: u32, plan: &mut Plan) -> Result<(), GenomeError> {
        let (in_channels, out_channels) = (channels, channels);
        let conv = Layer::Conv { in_channels, out_channels, kernel: 3, stride: 1, padding: 1, bias: false };
        let mut outputs = vec![plan.last()];
        for (i, inputs) in self.inputs.iter().enumerate().skip(1) {
            let end = i > self.nodes();
            let node = if end { name.to_owned() } else { format!("{name}.node{i}") };
            let joined = join(&node, inputs, &outputs, channels, plan)?;
            let input = if end { joined } else { plan.join(format!("{node}.conv"), conv, vec![joined])? };
            plan.join(format!("{node}.norm"), Layer::BatchNorm { channels }, vec![input])?;
            outputs.push(plan.push(format!("{node}.relu"), Layer::Relu)?);
        }
        Ok(())
    }
}

/// Index in `plan` of what node `name` works on: its only input, or all of them, each behind a drop path unless it is
/// what enters the phase, concatenated and brought back to `channels`.
fn join(
    name: &str,
    inputs: &[usize],
    outputs: &[usize],
    channels: u32,
    plan: &mut Plan,
) -> Result<usize, GenomeError> {
    if let &[only] = inputs {
        return Ok(outputs[only]);
    }
    let mut paths = vec![];
    for &input in inputs {
        let output = outputs[input];
        paths.push(match input {
            0 => output,
            _ => plan.join(format!("{name}.drop{input}"), Layer::DropPath, vec![output])?,
        });
    }
    plan.join(format!("{name}.concat"), Layer::Concat, paths)?;
    plan.conv(format!("{name}.merge"), channels, [1, 1, 0], false)
}

/// The connections as bits of a number, with node `order[i]` in place i; `taken` has a bit for each input of a node.
fn matrix(taken: &[u16], order: &[usize]) -> u128 {
    let mut bits = 0;
    for &to in &order[1..] {
        for &from in &order[..order.len() - 1] {
            bits = bits << 1 | u128::from(taken[to] >> from & 1);
        }
    }
    bits
}

/// Calls `visit` with every order of the items from place `start` to place `last`.
fn permutations(items: &mut [usize], start: usize, last: usize, visit: &mut impl FnMut(&[usize])) {
    if start > last {
        return visit(items);
    }
    for i in start..=last {
        items.swap(start, i);
        permutations(items, start + 1, last, visit);
        items.swap(start, i);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(bits: &[u8]) -> Vec<Vec<usize>> {
        Graph::decode(bits).unwrap().unwrap().inputs
    }

    #[test]
    fn bits_become_a_repaired_graph() {
        let table = [
            ([1, 0, 1, 0, 0, 1, 0], "[[], [0], [1], [2], [3], [4]]", "a chain of four"),
            ([0, 1, 0, 0, 0, 0, 1], "[[], [0], [1], [0, 2]]", "nodes 2 and 4 are left out"),
            ([1, 1, 0, 1, 0, 0, 0], "[[], [0], [1], [1], [1], [2, 3, 4]]", "one node to three"),
            ([0, 0, 0, 1, 1, 1, 0], "[[], [0], [0], [0], [1, 2, 3], [4]]", "three nodes to one"),
        ];
        for (bits, expected, why) in table {
            assert_eq!(format!("{:?}", inputs(&bits)), expected, "{why}");
        }
    }

    #[test]
    fn phases_without_connections_are_left_out() {
        assert_eq!(Graph::decode(&[0, 0, 0, 0, 0, 0, 1]), Ok(None));
        assert_eq!(Graph::decode(&[0, 0]), Ok(None));
    }

    #[test]
    fn other_bits_are_refused() {
        for bits in [&[][..], &[1], &[1, 0, 1], &[1, 0, 2, 0]] {
            assert!(Graph::decode(bits).unwrap_err().starts_with("0 or 1"), "{bits:?}");
        }
    }

    #[test]
    fn the_order_of_nodes_does_not_matter() {
        let canonical = |bits: &[u8]| Graph::decode(bits).unwrap().unwrap().canonical();
        // Node 1 to 2, node 1 to 3, node 2 to 4, against node 1 to 2, node 1 to 3, node 3 to 4.
        assert_eq!(canonical(&[1, 1, 0, 0, 1, 0, 0]), canonical(&[1, 1, 0, 0, 0, 1, 0]));
        // Two nodes in a chain, wherever they stand, and in a phase of three nodes, too.
        assert_eq!(canonical(&[1, 0, 0, 0, 0, 0, 0]), canonical(&[0, 0, 0, 0, 0, 1, 0]));
        assert_eq!(canonical(&[1, 0, 0, 0, 0, 0, 0]), canonical(&[0, 0, 1, 0]));
        assert_ne!(canonical(&[1, 0, 0, 0, 0, 0, 0]), canonical(&[1, 0, 0, 0, 0, 0, 1]));
        // A fork is not the same as a join.
        assert_ne!(canonical(&[1, 1, 0, 0]), canonical(&[0, 1, 1, 0]));
    }
}
