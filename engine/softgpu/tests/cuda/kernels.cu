// Kernels of tests/cuda_source.rs: what nvcc makes of ordinary CUDA C++.
#include <cstdio>
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cuda/std/complex>
#include <cuda/atomic>
#include <cassert>
namespace cg = cooperative_groups;
extern "C" __global__ void math(float*o,const float*a,double*d,int n){int i=blockIdx.x*blockDim.x+threadIdx.x;if(i<n){float x=a[i];o[i]=sinf(x)+cosf(x)+expf(x)+logf(fabsf(x)+1)+powf(fabsf(x),1.3f)+tanhf(x)+erff(x)+sqrtf(fabsf(x))+cbrtf(x)+atan2f(x,2.f)+tgammaf(fabsf(x)+1.f)+fmodf(x,0.7f);d[i]=sin((double)x)+cos((double)x)+exp((double)x)+log(fabs((double)x)+1)+pow(fabs((double)x),1.3)+tanh((double)x)+erf((double)x)+lgamma(fabs((double)x)+2)+cbrt((double)x);}}
extern "C" __global__ void halfs(__half*o,const __half*a,__nv_bfloat16*b,__half2*h2){int i=threadIdx.x;__half x=a[i];o[i]=__hadd(__hmul(x,x),hexp(x));if(__hgt(x,__float2half(0.5f)))o[i]=hsqrt(x);b[i]=__hfma(b[i],b[i],b[i]);h2[i]=__hmax2(__hfma2(h2[i],h2[i],h2[i]),__float2half2_rn(0.f));atomicAdd(&h2[0],h2[i]);}
extern "C" __global__ void reduce(int*o,const int*a,int n){__shared__ int s[32];cg::thread_block b=cg::this_thread_block();auto t=cg::tiled_partition<32>(b);int v=0;for(int i=b.thread_rank();i<n;i+=b.size())v+=a[i];v=cg::reduce(t,v,cg::plus<int>());if(t.thread_rank()==0)s[t.meta_group_rank()]=v;b.sync();if(b.thread_rank()==0){int r=0;for(int i=0;i<t.meta_group_size();i++)r+=s[i];*o=r;}}
extern "C" __global__ void gridsync(int*o){cg::grid_group g=cg::this_grid();atomicAdd(o,1);g.sync();if(g.thread_rank()==0)o[1]=o[0];g.sync();o[2+g.thread_rank()]=o[1];}
extern "C" __global__ void coalesced(int*o,const int*a,int n){int i=threadIdx.x;if(i<n&&a[i]>3){auto g=cg::coalesced_threads();int r=0;if(g.thread_rank()==0)r=atomicAdd(o,g.size());o[1+g.shfl(r,0)+g.thread_rank()]=i;}}
struct Base{__device__ virtual int f(int x){return x;}};struct D1:Base{__device__ int f(int x)override{return x*2;}};struct D2:Base{__device__ int f(int x)override{return x+100;}};
extern "C" __global__ void virt(int*o){Base*b;if(threadIdx.x%2)b=new D1;else b=new D2;o[threadIdx.x]=b->f(threadIdx.x);delete b;}
__device__ __noinline__ int ack(int m,int n){if(m==0)return n+1;if(n==0)return ack(m-1,1);return ack(m-1,ack(m,n-1));}
extern "C" __global__ void recurse(int*o){o[threadIdx.x]=ack(2,threadIdx.x%4);}
extern "C" __global__ void print(int n){printf("thread %d of %s %f %lld\n",threadIdx.x,"block",n*0.5,(long long)n<<33);assert(n!=7);}
extern "C" __global__ void atomics(unsigned*o,float*f,double*d,unsigned long long*u){atomicAdd(o,1u);atomicMax(o+1,threadIdx.x);atomicCAS(o+2,0,5);atomicAdd(f,1.f);atomicAdd(d,.5);atomicAdd_block(u,1ull);cuda::atomic_ref<unsigned,cuda::thread_scope_device>r(o[3]);r.fetch_add(2,cuda::memory_order_acq_rel);r.fetch_min(3);__threadfence();atomicInc(o+4,7);}
extern "C" __global__ void bitops(unsigned*o,unsigned long long*u){unsigned x=o[threadIdx.x];o[threadIdx.x]=__popc(x)+__clz(x)+__ffs(x)+__brev(x)+__byte_perm(x,~x,0x1234)+__funnelshift_l(x,~x,7)+__mulhi(x,x)+__dp4a(x,x,x)+__vabsdiffu4(x,~x)+__sad(x,3,x)+__usad(x,4,x)+__umul24(x,x)+__vadd4(x,x)+__vmaxs2(x,~x)+__vcmpeq4(x,x);u[threadIdx.x]=__umul64hi(u[threadIdx.x],12345678901ull)+__brevll(x)+__clzll(x)+u[1]/(x|1)+u[2]%(x|3);}
extern "C" __global__ void rounding(float*f,double*d,int*i){float x=f[0],y=f[1];f[2]=__fadd_rz(x,y)+__fmul_ru(x,y)+__fdiv_rd(x,y)+__fsqrt_rz(x)+__fmaf_rd(x,y,x)+__frcp_ru(x)+rintf(x)+floorf(y)+ceilf(x)+truncf(x)+roundf(x)+__saturatef(x)+__frsqrt_rn(x)+rsqrtf(x)+__expf(x)+__logf(x)+__powf(x,y)+__sinf(x);d[2]=__dadd_ru(x,y)+__dmul_rd(x,y)+__ddiv_rz(x,y)+__dsqrt_ru(x)+__fma_rz(d[0],d[1],d[0])+rsqrt(d[0])+rint(d[0]);i[0]=__float2int_rd(x)+__float2uint_ru(y)+__double2int_rn(d[0])+(int)__float2ll_rz(x)+__float_as_int(y)+__double2hiint(d[1]);i[1]=(int)(__int2float_rd(i[2])+__ll2double_ru(i[3])+__uint2double_rn(i[4]));}
struct Big{int a[20];double x;char c[5];};
__constant__ float tab[16]={1,2,3,4,5,6,7,8};
__device__ int counter=5;__managed__ int man=3;
extern "C" __global__ void structs(Big b,int*o){int s=0;for(int k=0;k<20;k++)s+=b.a[(k*7+threadIdx.x)%20];o[threadIdx.x]=s+(int)b.x+b.c[threadIdx.x%5]+(int)tab[threadIdx.x%16]+counter+man;}
extern __shared__ char dyn[];
extern "C" __global__ void dynshared(int*o){int*s=(int*)dyn;s[threadIdx.x]=threadIdx.x*3;__syncthreads();o[threadIdx.x]=s[blockDim.x-1-threadIdx.x]+__syncthreads_count(threadIdx.x<5)+__syncthreads_and(1)+__syncthreads_or(threadIdx.x==3);}
extern "C" __global__ void warpops(int*o){int l=threadIdx.x;int v=__shfl_xor_sync(~0u,l*2,3)+__shfl_up_sync(~0u,l,2,8)+__shfl_down_sync(~0u,l,1)+__ballot_sync(~0u,l&1)+__any_sync(~0u,l==3)+__all_sync(~0u,l>=0)+__match_any_sync(~0u,l%3)+__reduce_add_sync(~0u,l)+__reduce_max_sync(~0u,l)+__activemask();int p;v+=__match_all_sync(~0u,5,&p)+p;double d=__shfl_sync(~0u,(double)l,5);o[l]=v+(int)d;}
__device__ int sw(int x){switch(x){case 0:return 5;case 1:return 9;case 2:return x*3;case 3:return 77;case 4:return x-9;case 5:return 31;case 6:return x*x;case 7:return 2;case 8:return 100;}return -1;}
extern "C" __global__ void sws(int*o){o[threadIdx.x]=sw(threadIdx.x%10);}
extern "C" __global__ void alloca_(int*o,int n){int*p=(int*)alloca(n*4);for(int k=0;k<n;k++)p[k]=k*threadIdx.x;int s=0;for(int k=n-1;k>=0;k--)s+=p[k];o[threadIdx.x]=s;}
template<int T>__device__ void mm(const float*A,const float*B,float*C,int n){__shared__ float a[T][T],b[T][T];int tx=threadIdx.x,ty=threadIdx.y,r=blockIdx.y*T+ty,c=blockIdx.x*T+tx;float s=0;for(int k=0;k<n;k+=T){a[ty][tx]=A[r*n+k+tx];b[ty][tx]=B[(k+ty)*n+c];__syncthreads();
#pragma unroll
for(int j=0;j<T;j++)s+=a[ty][j]*b[j][tx];__syncthreads();}C[r*n+c]=s;}
extern "C" __global__ void mm16(const float*A,const float*B,float*C,int n){mm<16>(A,B,C,n);}
extern "C" __global__ void mm32(const float*A,const float*B,float*C,int n){mm<32>(A,B,C,n);}
extern "C" __global__ void mmnaive(const float*A,const float*B,float*C,int n){int c=blockIdx.x*blockDim.x+threadIdx.x,r=blockIdx.y*blockDim.y+threadIdx.y;float s=0;for(int k=0;k<n;k++)s+=A[r*n+k]*B[k*n+c];C[r*n+c]=s;}
extern "C" __global__ void i128(unsigned long long*u){__int128 x=((__int128)u[0]<<64)|u[1];x=x*x/((__int128)u[2]+1);u[3]=x;u[4]=x>>64;}
