//! Other processes of this machine, as /proc tells of them.

use std::fs;

/// A process and all its descendants, it first.
pub fn family(root: u32) -> Vec<u32> {
    let processes: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            Some((pid, parent.parse().ok()?))
        })
        .collect();
    let mut family = vec![root];
    let mut at = 0;
    while let Some(&ancestor) = family.get(at) {
        family.extend(
            processes
                .iter()
                .filter(|(_, parent)| *parent == ancestor)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    family
}

/// A field of a file of /proc in KiB, as `Pss:   123 kB`.
pub fn kib(path: &str, field: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Memory of a process and its descendants in KiB, pages that several of them share counted once (PSS).
pub fn family_memory_kib(root: u32) -> f64 {
    family(root)
        .iter()
        .filter_map(|pid| kib(&format!("/proc/{pid}/smaps_rollup"), "Pss:"))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_of_the_family_and_has_memory() {
        let own = std::process::id();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep starts");
        let found = family(own).contains(&child.id());
        let memory = family_memory_kib(own);
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert!(found);
        assert!(memory > 100.0, "{memory}");
    }
}
