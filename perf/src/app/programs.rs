//! The programs: what real ones ask of a GPU, in the same order, with results that are checked.

use crate::child::Result;
use crate::driver::{DeviceMemory, Driver};
use std::time::{Duration, Instant};

/// A program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Program {
    /// Steps of many launches, a batch to the device, a loss back, one synchronisation.
    Training,
    /// Tokens of many small launches and a copy of four bytes back.
    Decode,
    /// Chunks to the device, a kernel on each, chunks back, on two streams at once.
    Pipeline,
}

impl Program {
    /// All of them, in the order of reporting.
    pub const ALL: [Self; 3] = [Self::Training, Self::Decode, Self::Pipeline];

    /// As in a row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Decode => "decode",
            Self::Pipeline => "pipeline",
        }
    }

    /// What it does again and again.
    pub fn step_name(self) -> &'static str {
        match self {
            Self::Training => "step",
            Self::Decode => "token",
            Self::Pipeline => "chunk",
        }
    }

    /// Does it `steps` times; the time of each.
    pub fn run(self, driver: &Driver, steps: usize) -> Result<Vec<Duration>> {
        match self {
            Self::Training => training(driver, steps),
            Self::Decode => decode(driver, steps),
            Self::Pipeline => pipeline(driver, steps),
        }
    }
}

fn check(what: &str, got: u32, wanted: u32) -> Result<()> {
    if got == wanted {
        Ok(())
    } else {
        Err(format!("{what}: {got} came back, not {wanted}").into())
    }
}

/// Device memory of that many words, all zero.
fn zeros(driver: &Driver, words: u32) -> Result<DeviceMemory<'_>> {
    let memory = driver.device_memory(words as usize * 4)?;
    driver.fill(&memory, 0, words as usize)?;
    Ok(memory)
}

fn training(driver: &Driver, steps: usize) -> Result<Vec<Duration>> {
    const LAYERS: usize = 8;
    const LAYER_WORDS: u32 = 16 << 10;
    /// Launches a layer and step: forward, backward, update.
    const PASSES: u32 = 5;
    const BATCH_BYTES: usize = 64 << 10;
    let kernel = driver.add_words()?;
    let stream = driver.stream()?;
    let layers: Vec<_> = (0..LAYERS)
        .map(|_| zeros(driver, LAYER_WORDS))
        .collect::<Result<_>>()?;
    let input = driver.device_memory(BATCH_BYTES)?;
    let mut batch = driver.pinned_memory(BATCH_BYTES)?;
    let (rate, mut rate_from) = (driver.device_memory(4)?, driver.pinned_memory(4)?);
    let loss = driver.pinned_memory(4)?;
    rate_from.bytes().fill(1);
    let event = driver.event()?;
    let mut times = Vec::with_capacity(steps);
    for step in 1..=u32::try_from(steps)? {
        let start = Instant::now();
        batch.bytes()[..4].copy_from_slice(&step.to_ne_bytes());
        driver.upload_later(&input, &batch, &stream)?;
        driver.upload_later(&rate, &rate_from, &stream)?;
        driver.add(&kernel, &input, LAYER_WORDS, 1, &stream)?;
        for _ in 0..PASSES {
            for layer in &layers {
                driver.add(&kernel, layer, LAYER_WORDS, 1, &stream)?;
            }
        }
        driver.record(&event, &stream)?;
        driver.download_later(&loss, &layers[LAYERS - 1], &stream)?;
        driver.wait(&stream)?;
        times.push(start.elapsed());
        check("training: loss", loss.word(0), step * PASSES)?;
    }
    let result = driver.pinned_memory(4)?;
    driver.download_later(&result, &input, &stream)?;
    driver.wait(&stream)?;
    if let Ok(steps @ 1..) = u32::try_from(steps) {
        check("training: batch", result.word(0), steps + 1)?;
    }
    Ok(times)
}

fn decode(driver: &Driver, tokens: usize) -> Result<Vec<Duration>> {
    const LAUNCHES: u32 = 64;
    const WORDS: u32 = 1024;
    let kernel = driver.add_words()?;
    let stream = driver.stream()?;
    let state = zeros(driver, WORDS)?;
    let back = driver.pinned_memory(4)?;
    let mut times = Vec::with_capacity(tokens);
    for token in 1..=u32::try_from(tokens)? {
        let start = Instant::now();
        for _ in 0..LAUNCHES {
            driver.add(&kernel, &state, WORDS, 1, &stream)?;
        }
        driver.download_later(&back, &state, &stream)?;
        driver.wait(&stream)?;
        times.push(start.elapsed());
        check("decode: token", back.word(0), token * LAUNCHES)?;
    }
    Ok(times)
}

fn pipeline(driver: &Driver, chunks: usize) -> Result<Vec<Duration>> {
    const CHUNK_BYTES: usize = 4 << 20;
    /// Words that the kernel touches, so that copies are most of the work.
    const WORDS: u32 = 16 << 10;
    let kernel = driver.add_words()?;
    let mut lanes = Vec::new();
    for _ in 0..2 {
        let device = driver.device_memory(CHUNK_BYTES)?;
        let mut up = driver.pinned_memory(CHUNK_BYTES)?;
        up.bytes().fill(0);
        let down = driver.pinned_memory(CHUNK_BYTES)?;
        lanes.push((driver.stream()?, driver.event()?, device, up, down, 0));
    }
    let last = CHUNK_BYTES / 4 - 1;
    let mut times = Vec::with_capacity(chunks);
    for chunk in 1..=u32::try_from(chunks)? {
        let (stream, event, device, up, down, before) = &mut lanes[chunk as usize % 2];
        let start = Instant::now();
        if *before > 0 {
            driver.wait_for(event)?;
            check("pipeline: first word", down.word(0), *before + 1)?;
            check("pipeline: last word", down.word(last), *before)?;
        }
        up.bytes()[..4].copy_from_slice(&chunk.to_ne_bytes());
        up.bytes()[CHUNK_BYTES - 4..].copy_from_slice(&chunk.to_ne_bytes());
        driver.upload_later(device, up, stream)?;
        driver.add(&kernel, device, WORDS, 1, stream)?;
        driver.download_later(down, device, stream)?;
        driver.record(event, stream)?;
        *before = chunk;
        times.push(start.elapsed());
    }
    for (stream, _, _, _, down, before) in &lanes {
        driver.wait(stream)?;
        if *before > 0 {
            check("pipeline: first word", down.word(0), *before + 1)?;
            check("pipeline: last word", down.word(last), *before)?;
        }
    }
    Ok(times)
}
