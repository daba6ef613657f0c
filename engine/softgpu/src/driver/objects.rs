//! What `cuLinkAdd*` takes besides images: host objects with device code in a section of their own, and archives of such objects.
//!
//! Archives are those of `ar`: the text `!<arch>` and a line end, then members, each with a header of 60 characters. Objects are ELF files of
//! 64 bits; fatbins lie one behind the other in the section `.nv_fatbin`, in relocatable device code in `__nv_relfatbin`.

use super::image::{self, ImageError, Sources, bad, u16_at, u32_at, u64_at};

const ARCHIVE: &[u8] = b"!<arch>\n";
const THIN_ARCHIVE: &[u8] = b"!<thin>\n";
const MEMBER_HEADER: usize = 60;
const ELF: &[u8] = b"\x7fELF\x02\x01";
/// e_machine of a cubin.
const EM_CUDA: u16 = 190;
const FATBIN_SECTIONS: [&[u8]; 2] = [b".nv_fatbin", b"__nv_relfatbin"];
/// A function of CUDA's device runtime.
const DEVICE_RUNTIME_FUNCTION: &str = "cudaCGSynchronize";
/// Members and fatbins that one input may have.
const MAX_PARTS: usize = 1 << 16;

/// What a link input brings.
#[derive(Debug, PartialEq, Eq)]
pub struct Input {
    /// The PTX texts.
    pub sources: Sources,
    /// Parts of an archive are left out as they hold only machine code, or the input is CUDA's device runtime.
    pub left_out: bool,
}

/// Finds the PTX in a link input: an archive, a host object, or any image.
pub fn input(bytes: &[u8], capability: u32) -> Result<Input, ImageError> {
    if bytes.starts_with(THIN_ARCHIVE) {
        return Err(bad("a thin archive names its members and does not hold them"));
    }
    if bytes.starts_with(ARCHIVE) {
        return archive(bytes, capability);
    }
    if is_device_runtime(bytes) {
        return Ok(Input { sources: Vec::new(), left_out: true });
    }
    let sources = match fatbins(bytes)? {
        Some(parts) => parts.iter().map(|part| image::sources(part, capability)).collect::<Result<Vec<_>, _>>()?.concat(),
        None => image::sources(bytes, capability)?,
    };
    Ok(Input { sources, left_out: false })
}

/// Whether a fatbin is CUDA's device runtime, one of the parts of every program that nvcc has linked: it defines the runtime's functions. Most
/// of it is machine code; it has PTX for one architecture, the newest.
fn is_device_runtime(bytes: &[u8]) -> bool {
    let defines = |text: String| text.lines().any(|line| line.contains(".func") && !line.contains(".extern") && line.contains(DEVICE_RUNTIME_FUNCTION));
    image::is_container(bytes) && image::newest(bytes).is_some_and(defines)
}

/// As with a linker for machines, an archive gives what it has; a function that is missing then is named when a kernel needs it.
fn archive(bytes: &[u8], capability: u32) -> Result<Input, ImageError> {
    let mut found = Input { sources: Vec::new(), left_out: false };
    for member in members(bytes)? {
        let parts = match fatbins(member)? {
            Some(parts) => parts,
            None => vec![member],
        };
        for part in parts {
            match image::sources(part, capability) {
                Ok(more) => found.sources.extend(more),
                Err(_) => found.left_out = true,
            }
        }
    }
    Ok(found)
}

fn members(bytes: &[u8]) -> Result<Vec<&[u8]>, ImageError> {
    let (mut at, mut found) = (ARCHIVE.len(), Vec::new());
    while at < bytes.len() && found.len() < MAX_PARTS {
        let cut_off = || bad("the archive is cut off");
        let header = at.checked_add(MEMBER_HEADER).and_then(|end| bytes.get(at..end)).ok_or_else(cut_off)?;
        let size = std::str::from_utf8(&header[48..58]).ok().and_then(|digits| digits.trim_end().parse::<usize>().ok());
        let size = size.filter(|_| header.ends_with(b"`\n")).ok_or_else(|| bad("a member's header in the archive is damaged"))?;
        at += MEMBER_HEADER;
        let member = at.checked_add(size).and_then(|end| bytes.get(at..end)).ok_or_else(cut_off)?;
        // "/" and "/SYM64/" are indices, "//" holds long names.
        let name = &header[..16];
        if !(name.starts_with(b"/ ") || name.starts_with(b"//") || name.starts_with(b"/SYM64/")) {
            found.push(member);
        }
        at += size.next_multiple_of(2);
    }
    Ok(found)
}

/// The fatbins in a host object; None if these bytes are none.
fn fatbins(bytes: &[u8]) -> Result<Option<Vec<&[u8]>>, ImageError> {
    if !bytes.starts_with(ELF) || u16_at(bytes, 18)? == EM_CUDA {
        return Ok(None);
    }
    let place = |value: u64| usize::try_from(value).map_err(|_| bad("the object is damaged"));
    let (table, size, count) = (place(u64_at(bytes, 40)?)?, usize::from(u16_at(bytes, 58)?), usize::from(u16_at(bytes, 60)?));
    let names = usize::from(u16_at(bytes, 62)?);
    let section = |index: usize| -> Result<(usize, &[u8]), ImageError> {
        let header = index.checked_mul(size).and_then(|n| n.checked_add(table)).ok_or_else(|| bad("the object is damaged"))?;
        let no_bits = u32_at(bytes, at(header, 4)?)? == 8;
        let (from, len) = (place(u64_at(bytes, at(header, 24)?)?)?, if no_bits { 0 } else { place(u64_at(bytes, at(header, 32)?)?)? });
        let content = from.checked_add(len).and_then(|end| bytes.get(from.min(bytes.len())..end.min(bytes.len()).max(from.min(bytes.len()))));
        let content = content.filter(|c| c.len() == len).ok_or_else(|| bad("the object is cut off"))?;
        Ok((u32_at(bytes, header)? as usize, content))
    };
    let (_, names) = section(names)?;
    let mut found = Vec::new();
    for index in 0..count {
        let (name, content) = section(index)?;
        let name = names.get(name..).and_then(|rest| rest.split(|&b| b == 0).next()).unwrap_or_default();
        if FATBIN_SECTIONS.contains(&name) {
            containers(content, &mut found)?;
        }
    }
    Ok(Some(found))
}

fn at(base: usize, offset: usize) -> Result<usize, ImageError> {
    base.checked_add(offset).ok_or_else(|| bad("the object is damaged"))
}

/// Fatbins one behind the other, each on a multiple of eight bytes.
fn containers<'a>(section: &'a [u8], found: &mut Vec<&'a [u8]>) -> Result<(), ImageError> {
    let mut from = 0;
    while from + 16 <= section.len() && found.len() < MAX_PARTS {
        if !image::is_container(&section[from..]) {
            from += 8;
            continue;
        }
        let len = u64_at(section, from + 8)?.checked_add(u64::from(u16_at(section, from + 6)?)).and_then(|n| usize::try_from(n).ok());
        let end = len.and_then(|n| from.checked_add(n)).filter(|&end| end <= section.len() && end > from).ok_or_else(|| bad("a fatbin in the object is cut off"))?;
        found.push(&section[from..end]);
        from = end.next_multiple_of(8);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::result::CUresult;

    const PTX: &str = ".version 7.0\n.target sm_70\n.address_size 64\n";

    fn container(kind: u16, payload: &[u8]) -> Vec<u8> {
        let padded = payload.len().next_multiple_of(8);
        let mut entry = vec![0; 64 + padded];
        entry[..2].copy_from_slice(&kind.to_le_bytes());
        entry[4..8].copy_from_slice(&64u32.to_le_bytes());
        entry[8..16].copy_from_slice(&(padded as u64).to_le_bytes());
        entry[28..32].copy_from_slice(&70u32.to_le_bytes());
        entry[64..64 + payload.len()].copy_from_slice(payload);
        let mut bytes = 0xba55_ed50u32.to_le_bytes().to_vec();
        bytes.extend([1, 0, 16, 0]);
        bytes.extend((entry.len() as u64).to_le_bytes());
        bytes.extend(entry);
        bytes
    }

    /// A host object with one section of this name and content.
    fn object(name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(ELF);
        bytes[18..20].copy_from_slice(&62u16.to_le_bytes());
        let content_at = bytes.len();
        bytes.extend(content);
        let names_at = bytes.len();
        bytes.push(0);
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let table = bytes.len() as u64;
        for (name, from, len) in [(0u32, 0, 0), (1, content_at, content.len()), (0, names_at, name.len() + 2)] {
            let mut header = [0; 64];
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[24..32].copy_from_slice(&(from as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(len as u64).to_le_bytes());
            bytes.extend(header);
        }
        bytes[40..48].copy_from_slice(&table.to_le_bytes());
        bytes[58..64].copy_from_slice(&[64, 0, 3, 0, 2, 0]);
        bytes
    }

    fn archive_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = ARCHIVE.to_vec();
        for (name, content) in members {
            bytes.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 644, content.len()).bytes());
            bytes.extend(*content);
            bytes.resize(bytes.len().next_multiple_of(2), b'\n');
        }
        bytes
    }

    #[test]
    fn objects_and_archives_give_their_ptx() {
        let both = [container(1, PTX.as_bytes()), container(1, PTX.as_bytes())].concat();
        let found = Input { sources: vec![PTX.to_owned(); 2], left_out: false };
        assert_eq!(input(&object(".nv_fatbin", &both), 80).unwrap(), found);
        assert_eq!(input(&object("__nv_relfatbin", &both), 80).unwrap(), found);
        assert_eq!(input(&object(".text", &both), 80).unwrap().sources, [] as [String; 0]);
        let machine = object(".nv_fatbin", &container(2, b"\x7fELF"));
        let archive = archive_of(&[("/", b"index"), ("a.o/", &object(".nv_fatbin", &both)), ("b.o/", &machine)]);
        assert_eq!(input(&archive, 80).unwrap(), Input { sources: vec![PTX.to_owned(); 2], left_out: true });
        assert_eq!(input(&machine, 80).unwrap_err().0, CUresult::NO_BINARY_FOR_GPU);
        assert_eq!(input(PTX.as_bytes(), 80).unwrap().sources, [PTX]);
    }

    #[test]
    fn the_device_runtime_is_replaced() {
        let uses = format!("{PTX}.extern .func (.param .b32 func_retval0) cudaCGSynchronize (.param .b64 a)\n;\n");
        let defines = format!("{PTX}.visible .func  (.param .b32 func_retval0) cudaCGSynchronize(\n.param .b64 a) {{ ret; }}\n");
        assert_eq!(input(&container(1, uses.as_bytes()), 80).unwrap(), Input { sources: vec![uses], left_out: false });
        // For an architecture that the device does not cover, as CUDA's own is.
        assert_eq!(input(&container(1, defines.as_bytes()), 60).unwrap(), Input { sources: vec![], left_out: true });
    }

    #[test]
    fn damaged_inputs_are_refused_or_read() {
        let archive = archive_of(&[("a.o/", &object(".nv_fatbin", &container(1, PTX.as_bytes())))]);
        for cut in 0..archive.len() {
            let _ = input(&archive[..cut], 80);
        }
        for at in 0..archive.len() {
            for flip in [0xff, 0x80, 0x01] {
                let mut damaged = archive.clone();
                damaged[at] ^= flip;
                let _ = input(&damaged, 80);
            }
        }
        assert_eq!(input(b"!<thin>\n", 80).unwrap_err().0, CUresult::INVALID_IMAGE);
        assert_eq!(input(b"", 80).unwrap_err().0, CUresult::INVALID_IMAGE);
    }
}
