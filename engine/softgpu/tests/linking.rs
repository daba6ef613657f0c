//! cuLink*: host objects, archives of machine code, the device runtime's functions, bounds on registers.
#![allow(clippy::undocumented_unsafe_blocks)]
mod common;
use common::*;
use std::ffi::CString;

fn setup() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| unsafe {
        std::env::set_var("RINGWAY_SOFTGPU_MEMORY_MIB", "256");
        std::env::set_var("RINGWAY_SOFTGPU_REPORT", "quiet");
    });
}

const PTX: u32 = 1;
const OBJECT: u32 = 3;
const LIBRARY: u32 = 4;

/// Each block adds its number to its own place, the grid meets, and each block reads the place of the next one; twice.
const COOPERATIVE: &str = r#"
.version 7.0
.target sm_70
.address_size 64
.extern .func (.param .b64 r) cudaCGGetIntrinsicHandle(.param .b32 scope);
.extern .func (.param .b32 r) cudaCGSynchronize(.param .b64 handle, .param .b32 flags);
.extern .func (.param .b32 r) cudaCGGetSize(.param .b64 threads, .param .b64 grids, .param .b64 handle);
.extern .func (.param .b32 r) cudaCGGetRank(.param .b64 thread, .param .b64 grid, .param .b64 handle);

.visible .entry rotate(.param .u64 places, .param .u64 codes, .param .u64 sizes)
{
    .reg .pred %p<4>;
    .reg .b32 %r<24>;
    .reg .b64 %rd<12>;
    ld.param.u64 %rd1, [places];
    ld.param.u64 %rd2, [codes];
    ld.param.u64 %rd8, [sizes];
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %nctaid.x;
    mov.u32 %r3, %tid.x;
    mov.u32 %r20, %ntid.x;
    mad.lo.u32 %r21, %r1, %r20, %r3;
    {
    .param .b32 scope;
    st.param.b32 [scope], 1;
    .param .b64 r;
    call.uni (r), cudaCGGetIntrinsicHandle, (scope);
    ld.param.b64 %rd3, [r];
    }
    mul.wide.u32 %rd9, %r21, 8;
    add.u64 %rd9, %rd8, %rd9;
    add.u64 %rd10, %rd9, 4;
    {
    .param .b64 a;
    st.param.b64 [a], %rd9;
    .param .b64 b;
    st.param.b64 [b], %rd10;
    .param .b64 c;
    st.param.b64 [c], %rd3;
    .param .b32 r;
    call.uni (r), cudaCGGetSize, (a, b, c);
    }
    {
    .param .b64 a;
    st.param.b64 [a], %rd10;
    .param .b64 b;
    st.param.b64 [b], 0;
    .param .b64 c;
    st.param.b64 [c], %rd3;
    .param .b32 r;
    call.uni (r), cudaCGGetRank, (a, b, c);
    }
    mul.wide.u32 %rd4, %r1, 4;
    add.u64 %rd5, %rd1, %rd4;
    add.u32 %r4, %r1, 1;
    rem.u32 %r4, %r4, %r2;
    mul.wide.u32 %rd6, %r4, 4;
    add.u64 %rd7, %rd1, %rd6;
    mov.u32 %r5, 0;
    mov.u32 %r10, 0;
again:
    setp.ne.u32 %p1, %r3, 0;
    @%p1 bra first;
    ld.global.u32 %r6, [%rd5];
    add.u32 %r6, %r6, %r1;
    add.u32 %r6, %r6, %r10;
    st.global.u32 [%rd5], %r6;
first:
    {
    .param .b64 handle;
    st.param.b64 [handle], %rd3;
    .param .b32 flags;
    st.param.b32 [flags], 0;
    .param .b32 r;
    call.uni (r), cudaCGSynchronize, (handle, flags);
    ld.param.b32 %r7, [r];
    }
    ld.global.u32 %r10, [%rd7];
    {
    .param .b64 handle;
    st.param.b64 [handle], %rd3;
    .param .b32 flags;
    st.param.b32 [flags], 0;
    .param .b32 r;
    call.uni (r), cudaCGSynchronize, (handle, flags);
    }
    add.u32 %r5, %r5, 1;
    setp.lt.u32 %p2, %r5, 2;
    @%p2 bra again;
    @%p1 bra done;
    st.global.u32 [%rd5], %r10;
    add.u64 %rd5, %rd2, %rd4;
    st.global.u32 [%rd5], %r7;
done:
    ret;
}
"#;

const TWICE: &str = "
.version 7.0
.target sm_70
.address_size 64
.visible .func (.param .b32 r) twice(.param .b32 v)
{
.reg .b32 %r<3>;
ld.param.b32 %r1, [v];
add.u32 %r2, %r1, %r1;
st.param.b32 [r], %r2;
ret;
}
";

const CALLS_TWICE: &str = "
.version 7.0
.target sm_70
.address_size 64
.extern .func (.param .b32 r) twice(.param .b32 v);
.visible .entry go(.param .u64 out)
{
.reg .b32 %r<3>;
.reg .b64 %rd<2>;
ld.param.u64 %rd1, [out];
mov.u32 %r1, 21;
{
.param .b32 v;
st.param.b32 [v], %r1;
.param .b32 r;
call.uni (r), twice, (v);
ld.param.b32 %r2, [r];
}
st.global.u32 [%rd1], %r2;
ret;
}
";

fn link(parts: &[(u32, &[u8])], registers: u32) -> Result<CUmodule, CUresult> {
    let (mut state, mut image, mut size, mut module) = (CUlinkState(0), Host(0), 0usize, CUmodule(0));
    let (options, values) = ([0u32], [Host(u64::from(registers))]);
    let count = u32::from(registers > 0);
    ok!(cuLinkCreate_v2(count, In(options.as_ptr()), List(Out(values.as_ptr().cast_mut())), (&mut state).into()));
    for (kind, bytes) in parts {
        let code = unsafe { cuLinkAddData_v2(state, *kind, Host(bytes.as_ptr() as u64), bytes.len(), Text(c"part".as_ptr()), 0, In::NULL, List::NULL) };
        if code != CUresult::SUCCESS {
            ok!(cuLinkDestroy(state));
            return Err(code);
        }
    }
    ok!(cuLinkComplete(state, (&mut image).into(), (&mut size).into()));
    ok!(cuModuleLoadData((&mut module).into(), image));
    ok!(cuLinkDestroy(state));
    Ok(module)
}

fn function(module: CUmodule, name: &str) -> CUfunction {
    let mut function = CUfunction(0);
    let name = CString::new(name).unwrap();
    ok!(cuModuleGetFunction((&mut function).into(), module, Text(name.as_ptr())));
    function
}

fn padded(digits: usize, width: usize) -> Vec<u8> {
    format!("{digits:<width$}").into_bytes()
}

/// An `ar` archive of these members.
fn archive(members: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for member in members {
        bytes.extend(b"member.o/       0           0     0     644     ");
        bytes.extend(padded(member.len(), 10));
        bytes.extend(b"`\n");
        bytes.extend(*member);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

/// A fatbin with one entry, in a host object's section `.nv_fatbin`.
fn object(kind: u16, payload: &[u8]) -> Vec<u8> {
    let body = payload.len().next_multiple_of(8);
    let mut fatbin = 0xba55_ed50u32.to_le_bytes().to_vec();
    fatbin.extend([1, 0, 16, 0]);
    fatbin.extend((64 + body as u64).to_le_bytes());
    let mut entry = vec![0; 64 + body];
    entry[..2].copy_from_slice(&kind.to_le_bytes());
    entry[4] = 64;
    entry[8..16].copy_from_slice(&(body as u64).to_le_bytes());
    entry[28] = 70;
    entry[64..64 + payload.len()].copy_from_slice(payload);
    fatbin.extend(entry);
    let names = b"\0.nv_fatbin\0";
    let mut bytes = vec![0; 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[18] = 62;
    let sections = [(0u32, 0usize, 0usize), (1, 64, fatbin.len()), (0, 64 + fatbin.len(), names.len())];
    bytes.extend(&fatbin);
    bytes.extend(names);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let table = bytes.len() as u64;
    for (name, from, len) in sections {
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

#[test]
fn the_device_runtime_takes_the_place_of_its_archive() {
    setup();
    let _ctx = Ctx::new(0);
    let machine = archive(&[&object(2, b"\x7fELF machine code")]);
    let module = link(&[(PTX, COOPERATIVE.as_bytes()), (LIBRARY, &machine), (LIBRARY, &machine)], 0).unwrap();
    let (blocks, threads) = (13u32, 64u32);
    let (places, codes) = (upload(&(0..blocks).map(|k| k * k).collect::<Vec<u32>>()), upload(&vec![7u32; blocks as usize]));
    let sizes = alloc((blocks * threads * 8) as usize);
    let run = |cooperative: bool| {
        let arguments = [Host::of(&places), Host::of(&codes), Host::of(&sizes)];
        let f = function(module, "rotate");
        if cooperative {
            ok!(cuLaunchCooperativeKernel(f, blocks, 1, 1, threads, 1, 1, 0, CUstream(0), In(arguments.as_ptr())));
        } else {
            ok!(cuLaunchKernel(f, blocks, 1, 1, threads, 1, 1, 0, CUstream(0), In(arguments.as_ptr()), In::NULL));
        }
    };
    run(true);
    // The same steps, one after the other.
    let next = |k: u32| ((k + 1) % blocks) as usize;
    let mut want: Vec<u32> = (0..blocks).map(|k| k * k).collect();
    let mut read = vec![0u32; blocks as usize];
    for _ in 0..2 {
        want.iter_mut().enumerate().for_each(|(k, w)| *w += k as u32 + read[k]);
        read = (0..blocks).map(|k| want[next(k)]).collect();
    }
    assert_eq!(download::<u32>(places, blocks as usize), read);
    assert_eq!(download::<u32>(codes, blocks as usize), vec![0; blocks as usize]);
    let sizes_and_ranks = download::<u32>(sizes, (blocks * threads * 2) as usize);
    for k in 0..blocks * threads {
        assert_eq!(sizes_and_ranks[2 * k as usize..][..2], [blocks * threads, k]);
    }
    // Not cooperative: there is no grid to meet in, and the call says so.
    run(false);
    assert_eq!(download::<u32>(codes, blocks as usize), vec![1; blocks as usize]);
}

#[test]
fn host_objects_and_archives_bring_ptx() {
    setup();
    let _ctx = Ctx::new(0);
    let with_ptx = object(1, TWICE.as_bytes());
    for (kind, bytes) in [(OBJECT, with_ptx.clone()), (LIBRARY, archive(&[&object(2, b"\x7fELF"), &with_ptx]))] {
        let module = link(&[(PTX, CALLS_TWICE.as_bytes()), (kind, &bytes)], 0).unwrap();
        let out = alloc(4);
        let arguments = [Host::of(&out)];
        ok!(cuLaunchKernel(function(module, "go"), 1, 1, 1, 1, 1, 1, 0, CUstream(0), In(arguments.as_ptr()), In::NULL));
        assert_eq!(download::<u32>(out, 1), [42]);
    }
    assert_eq!(link(&[(OBJECT, &object(2, b"\x7fELF"))], 0).unwrap_err(), CUresult::NO_BINARY_FOR_GPU);
    // What an archive does not have is missing when the kernel is asked for.
    let module = link(&[(PTX, CALLS_TWICE.as_bytes()), (LIBRARY, &archive(&[]))], 0).unwrap();
    let mut function = CUfunction(0);
    gives!(NOT_SUPPORTED, cuModuleGetFunction((&mut function).into(), module, Text(c"go".as_ptr())));
}

#[test]
fn registers_are_bounded_by_the_option() {
    setup();
    let _ctx = Ctx::new(0);
    let many = {
        let mut body = String::from(".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry go(.param .u64 out)\n{\n.reg .b32 %r<100>;\n.reg .b64 %rd<2>;\nld.param.u64 %rd1, [out];\n");
        (0..60).for_each(|k| body += &format!("ld.global.u32 %r{k}, [%rd1+{}];\n", 4 * k));
        (0..59).for_each(|k| body += &format!("xor.b32 %r{}, %r{k}, %r{};\n", k + 1, k + 1));
        body += "st.global.u32 [%rd1], %r59;\nret;\n}\n";
        body
    };
    let registers = |module| {
        let mut value = 0i32;
        ok!(cuFuncGetAttribute((&mut value).into(), 4, function(module, "go")));
        value
    };
    let free = registers(link(&[(PTX, many.as_bytes())], 0).unwrap());
    assert!(free > 40, "{free}");
    assert_eq!(registers(link(&[(PTX, many.as_bytes())], 40).unwrap()), 40);
    assert_eq!(registers(link(&[(PTX, many.as_bytes()), (PTX, TWICE.as_bytes())], 40).unwrap()), 40);
    let (mut module, text) = (CUmodule(0), CString::new(many).unwrap());
    let (options, mut values) = ([0u32], [Host(33)]);
    ok!(cuModuleLoadDataEx((&mut module).into(), Host(text.as_ptr() as u64), 1, In(options.as_ptr()), List(Out(values.as_mut_ptr()))));
    assert_eq!(registers(module), 33);
}
