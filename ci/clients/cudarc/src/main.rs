//! cudarc, from Rust: allocations, copies, PTX kernels, streams, events and threads; every result is checked.

use std::process::ExitCode;
use std::sync::Arc;

use cudarc::driver::{
    sys, CudaContext, CudaFunction, CudaStream, DriverError, LaunchConfig, PushKernelArg,
};
use cudarc::nvrtc::Ptx;

const PTX: &str = include_str!("kernels.ptx");

#[derive(Default)]
struct Checks {
    passed: u32,
    failed: Vec<&'static str>,
    hash: u64,
}

impl Checks {
    fn check(&mut self, name: &'static str, good: bool) {
        if good {
            self.passed += 1;
        } else {
            eprintln!("MISMATCH cudarc: {name}");
            self.failed.push(name);
        }
    }

    fn mix(&mut self, values: &[f32]) {
        for value in values {
            self.hash = (self.hash ^ u64::from(value.to_bits())).wrapping_mul(0x100_0000_01b3);
        }
    }
}

fn multiply_add(
    stream: &Arc<CudaStream>,
    kernel: &CudaFunction,
    a: &[f32],
    b: &[f32],
    c: f32,
) -> Result<Vec<f32>, DriverError> {
    let device_a = stream.clone_htod(a)?;
    let device_b = stream.clone_htod(b)?;
    let mut out = stream.alloc_zeros::<f32>(a.len())?;
    let count = a.len() as u32;
    let mut launch = stream.launch_builder(kernel);
    launch
        .arg(&mut out)
        .arg(&device_a)
        .arg(&device_b)
        .arg(&c)
        .arg(&count);
    // SAFETY: the arguments are those of the kernel in kernels.ptx, and the buffers hold `count` elements.
    unsafe { launch.launch(LaunchConfig::for_num_elems(count)) }?;
    stream.clone_dtoh(&out)
}

fn run(checks: &mut Checks) -> Result<(), DriverError> {
    checks.check("device count", CudaContext::device_count()? >= 1);
    let context = CudaContext::new(0)?;
    checks.check("name", !context.name()?.is_empty());
    let (free, total) = context.mem_get_info()?;
    checks.check(
        "memory",
        0 < free && free <= total && total == context.total_mem()?,
    );
    checks.check(
        "warp size",
        context.attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_WARP_SIZE)? == 32,
    );

    let module = context.load_module(Ptx::from_src(PTX))?;
    let kernel = module.load_function("multiply_add")?;
    let total_kernel = module.load_function("total")?;
    let stream = context.default_stream();

    let a: Vec<f32> = (0..50_001).map(|i| (i % 777) as f32 * 0.25).collect();
    let b: Vec<f32> = (0..50_001).map(|i| (i % 333) as f32 - 100.0).collect();
    let got = multiply_add(&stream, &kernel, &a, &b, 1.5)?;
    checks.check(
        "multiply-add",
        got.iter()
            .zip(a.iter().zip(&b))
            .all(|(got, (a, b))| *got == a.mul_add(*b, 1.5)),
    );
    checks.mix(&got);

    let values: Vec<u32> = (0..10_000).map(|i| i * 3 % 1000).collect();
    let device_values = stream.clone_htod(&values)?;
    let mut sum = stream.alloc_zeros::<u64>(1)?;
    let count = values.len() as u32;
    let mut launch = stream.launch_builder(&total_kernel);
    launch.arg(&mut sum).arg(&device_values).arg(&count);
    // SAFETY: as above; the kernel is written for 128 threads a block.
    unsafe {
        launch.launch(LaunchConfig {
            grid_dim: (count.div_ceil(128), 1, 1),
            block_dim: (128, 1, 1),
            shared_mem_bytes: 0,
        })
    }?;
    checks.check(
        "total through shared memory",
        stream.clone_dtoh(&sum)?[0] == values.iter().map(|v| u64::from(*v)).sum(),
    );

    // two streams with events: the second continues what the first began
    let first = context.new_stream()?;
    let second = context.new_stream()?;
    let ones = first.clone_htod(&vec![1.0f32; 4096])?;
    let mut accumulator = first.alloc_zeros::<f32>(4096)?;
    let begin = first.record_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT))?;
    for step in 0..20 {
        let stream = if step < 10 { &first } else { &second };
        if step == 10 {
            second.join(&first)?;
        }
        let (size, c) = (4096u32, 1.0f32);
        let previous = stream.clone_dtod(&accumulator)?;
        let mut launch = stream.launch_builder(&kernel);
        launch
            .arg(&mut accumulator)
            .arg(&previous)
            .arg(&ones)
            .arg(&c)
            .arg(&size);
        // SAFETY: as above.
        unsafe { launch.launch(LaunchConfig::for_num_elems(size)) }?;
    }
    let end = second.record_event(Some(sys::CUevent_flags::CU_EVENT_DEFAULT))?;
    end.synchronize()?;
    checks.check(
        "two streams",
        second.clone_dtoh(&accumulator)?.iter().all(|v| *v == 20.0),
    );
    checks.check("elapsed time", begin.elapsed_ms(&end)? >= 0.0);
    checks.check("event is complete", end.is_complete());

    // pinned memory and views
    // SAFETY: filled below before it is read.
    let mut pinned = unsafe { context.alloc_pinned::<f32>(1000) }?;
    for (i, value) in pinned.as_mut_slice()?.iter_mut().enumerate() {
        *value = i as f32;
    }
    let mut device = second.alloc_zeros::<f32>(3000)?;
    second.memcpy_htod(&pinned, &mut device.slice_mut(1000..2000))?;
    let back = second.clone_dtoh(&device)?;
    checks.check(
        "pinned memory into a view",
        (0..3000).all(|i| {
            back[i]
                == if (1000..2000).contains(&i) {
                    (i - 1000) as f32
                } else {
                    0.0
                }
        }),
    );

    // threads, each with a stream of its own
    let results: Vec<Result<bool, DriverError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|t| {
                let (context, kernel) = (context.clone(), kernel.clone());
                scope.spawn(move || {
                    context.bind_to_thread()?;
                    let stream = context.new_stream()?;
                    let a = vec![t as f32; 2000];
                    for round in 0..10 {
                        let got = multiply_add(&stream, &kernel, &a, &a, round as f32)?;
                        if got.iter().any(|v| *v != (t * t + round) as f32) {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a client thread panicked"))
            .collect()
    });
    for result in results {
        checks.check("a thread with its own stream", result?);
    }

    checks.check(
        "a missing function is refused",
        module.load_function("nowhere").is_err(),
    );
    checks.check(
        "bad PTX is refused",
        context
            .load_module(Ptx::from_src(".version 7.0\n.target sm_75\nnonsense"))
            .is_err(),
    );
    // SAFETY: nothing is written; the allocation is expected to be refused.
    let huge = unsafe { stream.alloc::<u8>(1 << 50) };
    checks.check(
        "out of memory is an error",
        matches!(
            huge,
            Err(DriverError(sys::cudaError_enum::CUDA_ERROR_OUT_OF_MEMORY))
        ),
    );
    context.synchronize()
}

fn main() -> ExitCode {
    let mut checks = Checks::default();
    if let Err(error) = run(&mut checks) {
        eprintln!("FAILED cudarc: {error}");
        checks.failed.push("a driver call failed");
    }
    println!(
        "{{\"client\": \"cudarc\", \"checks\": {}, \"failed\": {:?}, \"values\": {{\"results\": \"{:016x}\"}}}}",
        checks.passed, checks.failed, checks.hash
    );
    if checks.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
