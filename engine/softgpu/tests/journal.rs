//! The journal: one line per call, comparable between runs.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;

#[test]
fn lines_name_calls_handles_addresses_and_data() {
    let path = std::env::temp_dir().join(format!("softgpu-journal-{}", std::process::id()));
    unsafe { std::env::set_var("RINGWAY_SOFTGPU_JOURNAL", &path) };
    let ctx = Ctx::new(0);
    let s = stream(1);
    let p = upload(&[1u32, 2, 3, 4]);
    ok!(cuMemsetD32Async(CUdeviceptr(p.0 + 8), 9, 1, s));
    ok!(cuStreamSynchronize(s));
    assert_eq!(download::<u32>(p, 4), [1, 2, 9, 4]);
    let mut pinned = Host(0);
    ok!(cuMemAllocHost_v2((&mut pinned).into(), 16));
    ok!(cuMemcpyDtoHAsync_v2(pinned, p, 16, s));
    ok!(cuStreamSynchronize(s));
    gives!(INVALID_VALUE, cuMemFree_v2(CUdeviceptr(p.0 + 1)));
    // Arrays of no elements may lie anywhere.
    let (mut graph, mut node) = (CUgraph(0), CUgraphNode(0));
    ok!(cuGraphCreate((&mut graph).into(), 0));
    ok!(cuGraphAddEmptyNode((&mut node).into(), graph, In(std::ptr::dangling()), 0));
    let mut none = 0usize;
    ok!(cuGraphGetNodes(graph, List(Out(std::ptr::dangling_mut())), (&mut none).into()));
    drop(ctx);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect();
    let call = |name: &str| lines.iter().find(|l| l["fn"] == name).unwrap_or_else(|| panic!("no {name} in\n{text}")).clone();
    let hash = |words: &[u32]| blake3::hash(&words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>()).to_hex()[..16].to_owned();
    assert_eq!(call("cuMemAlloc")["out"]["dptr"], "mem#1+0");
    assert_eq!(call("cuMemcpyHtoD")["data"]["htod"], hash(&[1, 2, 3, 4]));
    assert_eq!(call("cuMemcpyHtoD")["in"]["srcHost"], "host");
    let fill = call("cuMemsetD32Async");
    assert_eq!(fill["in"]["dstDevice"], "mem#1+8");
    assert_eq!(fill["in"]["value"], 9);
    assert_eq!(fill["in"]["hStream"], "stream#1");
    assert_eq!(call("cuMemcpyDtoH")["data"]["dtoh"], hash(&[1, 2, 9, 4]));
    let copy = call("cuMemcpyDtoHAsync");
    assert_eq!(copy["in"]["dstHost"], "pinned#1+0");
    let later = lines.iter().find(|l| l["of"] == copy["seq"]).expect("the data of the asynchronous copy");
    assert_eq!(later["dtoh"], hash(&[1, 2, 9, 4]));
    assert_eq!(call("cuMemFree")["result"], 1);
    let _ = std::fs::remove_file(path);
}
