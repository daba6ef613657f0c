//! Tests of the parser: the usual shape of a module, and where an error is reported.

use super::*;

#[test]
fn parses_the_usual_shape() {
    let m = parse(
        r#"
// comment
.version 8.4
.target sm_80, debug
.address_size 64
.global .align 4 .b8 table[8] = {1, 2, 0xFF, 4};
.visible .global .align 8 .u64 ptrs[2] = {generic(table)+4, table};
.extern .func (.param .b32 r) vprintf (.param .b64 a, .param .b64 b);
.visible .entry k(
    .param .u64 .ptr .global .align 4 k_param_0,
    .param .align 8 .b8 k_param_1[16]
) .maxntid 128, 1, 1
{
    .reg .pred %p<2>;
    .reg .b32 %r<4>;
    .loc 1 2 3, function_name $L1, inlined_at 1 2 3
    ld.param.v2.u32 {%r1, _}, [k_param_1+8];
    mov.u32 %r2, %tid.x;
    setp.lt.s32 %p1|%p0, %r2, -5;
    @!%p1 bra $L_done;
    { .reg .b32 t; mov.b32 t, 0f3F800000; }
$L_done:
    ret;
}
.section .debug_info { .b8 1 { } }
"#,
    )
    .unwrap();
    assert_eq!((m.version, m.target, m.address_size), (84, 80, 64));
    assert_eq!(m.variables[0].init, vec![1, 2, 255, 4].into_iter().map(InitValue::Int).collect::<Vec<_>>());
    assert_eq!(m.variables[1].init[0], InitValue::Symbol { name: "table".into(), addend: 4, shift: 0 });
    assert_eq!(m.functions.len(), 2);
    let k = &m.functions[1];
    assert_eq!(k.max_threads, Some([128, 1, 1]));
    assert_eq!(k.params[1].size(), 16);
    assert_eq!(k.body.as_ref().unwrap().len(), 9);
}

#[test]
fn reports_the_line() {
    let e = parse(".version 8.0\n.target sm_80\n.visible .entry k() {\n add.s32 %r1, %r2\n}\n").unwrap_err();
    assert_eq!(e.line, 5);
    assert!(parse("").is_err());
    assert!(parse(&"(".repeat(100_000)).is_err());
    assert!(parse(&format!(".version 8.0\n.target sm_80\n.func f() {}", "{".repeat(100_000))).is_err());
    assert!(parse(&format!(".version 8.0\n.target sm_80\n.global .b32 x = {}1;", "-".repeat(100_000))).is_err());
    assert!(parse(&format!(".version 8.0\n.target sm_80\n.global .b32 x = {}1;", "y = ".repeat(100_000))).is_err());
}
