// Integer work: SHA-256, MurmurHash's mixing, CRC by tables, prime sieve, a cipher of rounds, strings, run lengths.
#include "sample.h"
#ifdef SAMPLE_HOST
#define BOTH __host__ __device__
#else
#define BOTH __device__
#endif

// The round constants are the fractional parts of the cube roots of the first primes; they come from the host.
__constant__ unsigned round_constants[64];
static BOTH unsigned rotate(unsigned x, int n) { return x >> n | x << (32 - n); }
static BOTH void sha256(const unsigned *constants, const unsigned char *text, int length, unsigned *digest) {  // up to 55 bytes
    unsigned w[64], h[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u}, v[8];
    for (int i = 0; i < 16; i++) {
        w[i] = 0;
        for (int k = 0; k < 4; k++) {
            int at = 4 * i + k;
            w[i] = w[i] << 8 | (at < length ? text[at] : at == length ? 0x80u : 0u);
        }
    }
    w[15] = (unsigned)length * 8;
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) + (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
    for (int i = 0; i < 8; i++) v[i] = h[i];
    for (int i = 0; i < 64; i++) {
        unsigned a = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[i] + w[i];
        unsigned b = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        for (int k = 7; k > 0; k--) v[k] = v[k - 1];
        v[4] += a, v[0] = a + b;
    }
    for (int i = 0; i < 8; i++) digest[i] = h[i] + v[i];
}
extern "C" __global__ void digests(const unsigned char *texts, const int *lengths, unsigned *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) sha256(round_constants, texts + 64 * i, lengths[i], out + 8 * i);
}
// A nonce whose digest begins with zero bits: the first that any thread finds and the smallest of all.
extern "C" __global__ void search(unsigned *best, unsigned tries) {
    for (unsigned nonce = blockIdx.x * blockDim.x + threadIdx.x; nonce < tries; nonce += gridDim.x * blockDim.x) {
        if (*(volatile unsigned *)best < nonce) return;
        unsigned char text[8];
        unsigned digest[8];
        for (int k = 0; k < 8; k++) text[k] = "0123456789abcdef"[nonce >> 4 * k & 15];
        sha256(round_constants, text, 8, digest);
        if (digest[0] >> 22 == 0) atomicMin(best, nonce);
    }
}

static BOTH unsigned crc_step(const unsigned *table, unsigned crc, unsigned char byte) { return table[(crc ^ byte) & 255] ^ crc >> 8; }
extern "C" __global__ void crc(const unsigned char *data, unsigned *out, int length) {
    __shared__ unsigned table[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) {
        unsigned x = i;
        for (int k = 0; k < 8; k++) x = x & 1 ? 0xedb88320u ^ x >> 1 : x >> 1;
        table[i] = x;
    }
    __syncthreads();
    unsigned value = ~0u;
    for (int i = 0; i < length; i++) value = crc_step(table, value, data[threadIdx.x * length + i]);
    out[threadIdx.x] = ~value;
}
extern "C" __global__ void sieve(unsigned *composite, unsigned limit) {
    unsigned p = blockIdx.x * blockDim.x + threadIdx.x + 2;
    if (p * p > limit || composite[p / 32] >> p % 32 & 1) return;
    for (unsigned q = p * p; q <= limit; q += p) atomicOr(&composite[q / 32], 1u << q % 32);
}
// Tiny encryption: 32 rounds on 64 bits, there and back.
extern "C" __global__ void cipher(uint2 *data, uint4 key, int n, bool back) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    uint2 v = data[i];
    unsigned sum = back ? 0x9e3779b9u * 32 : 0;
    for (int k = 0; k < 32; k++) {
        if (!back) {
            sum += 0x9e3779b9u;
            v.x += ((v.y << 4) + key.x) ^ (v.y + sum) ^ ((v.y >> 5) + key.y);
            v.y += ((v.x << 4) + key.z) ^ (v.x + sum) ^ ((v.x >> 5) + key.w);
        } else {
            v.y -= ((v.x << 4) + key.z) ^ (v.x + sum) ^ ((v.x >> 5) + key.w);
            v.x -= ((v.y << 4) + key.x) ^ (v.y + sum) ^ ((v.y >> 5) + key.y);
            sum -= 0x9e3779b9u;
        }
    }
    data[i] = v;
}
// Longest common subsequence by antidiagonals.
extern "C" __global__ void subsequence(const char *a, const char *b, int n, int m, int *out) {
    extern __shared__ int lines[];
    int *line[3] = {lines, lines + n + 1, lines + 2 * (n + 1)};
    for (int i = threadIdx.x; i < 3 * (n + 1); i += blockDim.x) lines[i] = 0;
    __syncthreads();
    for (int d = 2; d <= n + m; d++) {
        int *now = line[d % 3], *last = line[(d + 2) % 3], *before = line[(d + 1) % 3];
        for (int i = threadIdx.x; i <= n; i += blockDim.x) {
            int j = d - i;
            if (i == 0 || j <= 0 || j > m) { if (j == 0 || i == 0) now[i] = 0; continue; }
            now[i] = a[i - 1] == b[j - 1] ? before[i - 1] + 1 : max(last[i - 1], last[i]);
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) *out = line[(n + m) % 3][n];
}

#ifdef SAMPLE_HOST
int main() {
    unsigned k[64];
    for (int i = 0, p = 2; i < 64; p++) {
        bool prime = true;
        for (int q = 2; q * q <= p; q++) prime &= p % q != 0;
        if (!prime) continue;
        long double root = cbrtl((long double)p);
        k[i++] = (unsigned)((root - std::floor(root)) * 4294967296.0L);
    }
    OK(cudaMemcpy(SYMBOL(round_constants), k, sizeof k, cudaMemcpyHostToDevice));
    Random random(1);
    const int n = 100;
    std::vector<unsigned char> texts(64 * n);
    std::vector<int> lengths(n);
    for (auto &byte : texts) byte = (unsigned char)random.bits();
    for (int &length : lengths) length = (int)random.below(56);
    std::memcpy(&texts[0], "abc", 3), lengths[0] = 3;
    std::vector<unsigned> want(8 * n);
    for (int i = 0; i < n; i++) sha256(k, &texts[64 * i], lengths[i], &want[8 * i]);
    EXPECT(want[0] == 0xba7816bfu && want[7] == 0xf20015adu);  // the standard's own example
    Device<unsigned char> dt(texts);
    Device<int> dl(lengths);
    Device<unsigned> out(8 * n);
    LAUNCH(digests, SHAPE(2, 64), dt, dl, out, n);
    same("SHA-256", out.get(), want);
    unsigned first = ~0u;
    for (unsigned nonce = 0; nonce < 4096 && first == ~0u; nonce++) {
        unsigned char text[8];
        unsigned digest[8];
        for (int j = 0; j < 8; j++) text[j] = (unsigned char)"0123456789abcdef"[nonce >> 4 * j & 15];
        sha256(k, text, 8, digest);
        if (digest[0] >> 22 == 0) first = nonce;
    }
    Device<unsigned> best(std::vector<unsigned>{~0u});
    LAUNCH(search, SHAPE(4, 64), best, 4096u);
    same("first nonce", best.first(), first);

    unsigned table[256];
    for (unsigned i = 0; i < 256; i++) {
        unsigned x = i;
        for (int j = 0; j < 8; j++) x = x & 1 ? 0xedb88320u ^ x >> 1 : x >> 1;
        table[i] = x;
    }
    std::vector<unsigned> sums(96);
    for (int t = 0; t < 96; t++) {
        unsigned value = ~0u;
        for (int i = 0; i < 50; i++) value = crc_step(table, value, texts[t * 50 + i]);
        sums[t] = ~value;
    }
    Device<unsigned> dc(96);
    LAUNCH(crc, SHAPE(1, 96), dt, dc, 50);
    same("CRC-32", dc.get(), sums);

    const unsigned limit = 20000;
    std::vector<unsigned> marked(limit / 32 + 1);
    for (unsigned p = 2; p * p <= limit; p++)
        if (!(marked[p / 32] >> p % 32 & 1)) for (unsigned q = p * p; q <= limit; q += p) marked[q / 32] |= 1u << q % 32;
    Device<unsigned> ds(marked.size());
    LAUNCH(sieve, SHAPE(2, 128), ds, limit);
    same("sieve", ds.get(), marked);

    std::vector<unsigned> secret(2 * 300), plain;
    for (unsigned &word : secret) word = random.bits();
    plain = secret;
    for (int i = 0; i < 300; i++)
        for (unsigned j = 1; j <= 32; j++) {
            unsigned &x = secret[2 * i], &y = secret[2 * i + 1], sum = j * 0x9e3779b9u;
            x += ((y << 4) + 11) ^ (y + sum) ^ ((y >> 5) + 22), y += ((x << 4) + 33) ^ (x + sum) ^ ((x >> 5) + 44);
        }
    Device<unsigned> dp(plain);
    LAUNCH(cipher, SHAPE(3, 128), (uint2 *)(unsigned *)dp, uint4{11, 22, 33, 44}, 300, false);
    same("encrypted", dp.get(), secret);
    LAUNCH(cipher, SHAPE(3, 128), (uint2 *)(unsigned *)dp, uint4{11, 22, 33, 44}, 300, true);
    same("decrypted", dp.get(), plain);

    std::vector<char> a(150), b(130);
    for (char &x : a) x = (char)('a' + random.below(4));
    for (char &x : b) x = (char)('a' + random.below(4));
    std::vector<std::vector<int>> lcs(151, std::vector<int>(131));
    for (int i = 1; i <= 150; i++)
        for (int j = 1; j <= 130; j++) lcs[i][j] = a[i - 1] == b[j - 1] ? lcs[i - 1][j - 1] + 1 : std::max(lcs[i - 1][j], lcs[i][j - 1]);
    Device<char> da(a), db(b);
    Device<int> length(1);
    LAUNCH(subsequence, SHAPE(1, 96, 3 * 151 * 4), da, db, 150, 130, length);
    same("common subsequence", length.first(), lcs[150][130]);
    return finish("hashing");
}
#endif
