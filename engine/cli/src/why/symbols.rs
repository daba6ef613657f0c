//! Call sites by name: function, file and line, as far as the object has them.

use addr2line::Loader;
use object::{Object as _, ObjectSymbol as _};
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

/// An object that was opened.
struct Opened {
    loader: Option<Loader>,
    /// What it exports: addresses in order, and names.
    exported: Vec<(u64, String)>,
}

/// Objects that were opened.
#[derive(Default)]
pub struct Objects(HashMap<String, Opened>);

/// Longest object of which the exported symbols are read, bytes.
const OBJECT_BYTES_MAX: u64 = 1 << 30;

fn open(path: &str) -> Opened {
    let read = || {
        let short = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= OBJECT_BYTES_MAX);
        let bytes = short.then(|| std::fs::read(path).ok()).flatten()?;
        let file = object::File::parse(&*bytes).ok()?;
        let functions = file.dynamic_symbols().filter(|symbol| symbol.is_definition() && symbol.kind() == object::SymbolKind::Text);
        Some(functions.filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?.to_owned()))).collect())
    };
    let mut exported: Vec<(u64, String)> = read().unwrap_or_default();
    exported.sort();
    Opened { loader: Loader::new(path).ok(), exported }
}

impl Opened {
    /// The last function that it exports before an address.
    fn before(&self, address: u64) -> Option<&str> {
        let at = self.exported.partition_point(|(begin, _)| *begin <= address);
        self.exported.get(at.checked_sub(1)?).map(|(_, name)| name.as_str())
    }
}

impl Objects {
    /// Looks a call site up.
    pub fn place(&mut self, site: &Site) -> Place {
        let mut place = Place { object: site.object.clone(), offset: site.offset, ..Place::default() };
        let demangled = |name: &str| addr2line::demangle_auto(name.into(), None).into_owned();
        let object = self.0.entry(site.object.clone()).or_insert_with(|| open(&site.object));
        // The call, not what follows it.
        let address = site.offset.wrapping_sub(1);
        if let Some(loader) = &object.loader {
            place.symbol = loader.find_symbol(address).map(demangled);
            if let Ok(Some(location)) = loader.find_location(address) {
                place.file = location.file.map(str::to_owned);
                place.line = location.line;
            }
        }
        if place.symbol.is_none() {
            let exported = Some(site.exported.as_str()).filter(|name| !name.is_empty());
            place.symbol = exported.or_else(|| object.before(address)).map(demangled);
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
        // A library without symbols of its own: what it exports before.
        let opened = Opened { loader: None, exported: vec![(16, "first".into()), (64, "second".into())] };
        assert_eq!((opened.before(15), opened.before(16), opened.before(900)), (None, Some("first"), Some("second")));
        let site = Site { object: String::new(), ..site };
        assert_eq!(Objects::default().place(&site).to_string(), "unknown+0x123 (no symbol)");
    }
}
