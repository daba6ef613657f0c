//! Call sites by name: function, file and line, as far as the object has them.

use addr2line::Loader;
use ringway_wire::trace::Site;
use std::collections::HashMap;

/// A call site as people know it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// Path of the program or library; empty if it is not known.
    pub object: String,
    /// Return address, as the object's file has it.
    pub offset: u64,
    pub symbol: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
}

/// Objects that were opened.
#[derive(Default)]
pub struct Objects(HashMap<String, Option<Loader>>);

impl Objects {
    /// Looks a call site up.
    pub fn place(&mut self, site: &Site) -> Place {
        let mut place = Place { object: site.object.clone(), offset: site.offset, ..Place::default() };
        let loader = self.0.entry(site.object.clone()).or_insert_with(|| (!site.object.is_empty()).then(|| Loader::new(&site.object).ok()).flatten());
        if let Some(loader) = loader {
            // The call, not what follows it.
            let address = site.offset.wrapping_sub(1);
            place.symbol = loader.find_symbol(address).map(|name| addr2line::demangle_auto(name.into(), None).into_owned());
            if let Ok(Some(location)) = loader.find_location(address) {
                place.file = location.file.map(str::to_owned);
                place.line = location.line;
            }
        }
        if place.symbol.is_none() && !site.exported.is_empty() {
            place.symbol = Some(addr2line::demangle_auto(site.exported.as_str().into(), None).into_owned());
        }
        place
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let object = self.object.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("unknown");
        match &self.symbol {
            Some(symbol) => write!(f, "{symbol} ({object}+{:#x}", self.offset)?,
            None => write!(f, "{object}+{:#x} (", self.offset)?,
        }
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            let separator = if self.symbol.is_some() { ", " } else { "" };
            write!(f, "{separator}{}:{line}", file.rsplit('/').next().unwrap_or(file))?;
        } else if self.symbol.is_none() {
            f.write_str("no symbol")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_this_program_is_found_and_one_of_nowhere_is_shown() {
        let own = std::env::current_exe().expect("a path").to_string_lossy().into_owned();
        let here = a_function_of_this_program_is_found_and_one_of_nowhere_is_shown as fn() as usize as u64;
        let maps = std::fs::read_to_string("/proc/self/maps").expect("the map");
        let first = maps.lines().find(|line| line.ends_with(&own)).expect("the program is in it");
        let base = u64::from_str_radix(first.split('-').next().expect("an address"), 16).expect("a number");
        let site = Site { address: here + 1, offset: here + 1 - base, object: own, exported: String::new() };
        let place = Objects::default().place(&site);
        assert!(place.symbol.as_deref().is_some_and(|symbol| symbol.contains("a_function_of_this_program")), "{place:?}");

        let site = Site { address: 9, offset: 0x123, object: "/nowhere/libx.so".into(), exported: "cuStart".into() };
        assert_eq!(Objects::default().place(&site).to_string(), "cuStart (libx.so+0x123)");
        let site = Site { exported: String::new(), ..site };
        assert_eq!(Objects::default().place(&site).to_string(), "libx.so+0x123 (no symbol)");
        let site = Site { object: String::new(), ..site };
        assert_eq!(Objects::default().place(&site).to_string(), "unknown+0x123 (no symbol)");
    }
}
