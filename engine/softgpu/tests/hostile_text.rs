//! Whatever the text, parsing and compiling end with a result or an error.

use proptest::prelude::*;
use ringway_softgpu::exec::{CompileOptions, compile_text};

/// Parses, links and compiles every kernel, whatever comes of it.
fn compile_all(text: &str) {
    if let Ok(program) = compile_text(text, &CompileOptions::default()) {
        for kernel in program.kernels.values() {
            let _ = kernel.is_ok();
        }
    }
}

const SEED: &str = include_str!("tiled_matmul.ptx");

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn mutated_kernels_do_not_panic(edits in proptest::collection::vec((0usize..4000, any::<u8>(), 0u8..3), 1..20)) {
        let mut bytes = SEED.as_bytes()[..4000].to_vec();
        for (at, byte, kind) in edits {
            let at = at % bytes.len();
            match kind {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.insert(at, b"{}[]()%.,;:@!-+0x<> \n"[byte as usize % 21]),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        compile_all(&text);
    }

    #[test]
    fn token_soup_does_not_panic(words in proptest::collection::vec(proptest::sample::select(vec![
        ".version", "8.0", ".target", "sm_80", ".visible", ".entry", "k", "(", ")", "{", "}", ".param", ".u64", "a", ";", ",", "%r1", ".reg",
        ".b32", "<", "5", ">", "add.s32", "mov.b64", "[", "]", "ld.global.v4.u32", "st.shared.f32", "bra", "L:", "L", "@%p", "!", "|", "call", "-1", "0x",
        "0f3F800000", "setp.lt.and.f32", "cvt.rn.f16.f32", "ret", ".shared", ".align", "3", "16", "=", "generic(", "bar.sync", "shfl.sync.idx.b32", "atom.add.f32",
    ]), 0..80)) {
        let text = format!(".version 8.0\n.target sm_80\n{}", words.join(" "));
        compile_all(&text);
        let text = format!(".version 8.0\n.target sm_80\n.visible .entry k(.param .u64 a) {{ .reg .b32 %r<9>; .reg .pred %p; {} }}", words.join(" "));
        compile_all(&text);
    }
}
