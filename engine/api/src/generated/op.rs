//! Opcodes: one constant a row. Written by ringway-api-gen from engine/api/table; do not edit.

/// `cuArrayCreate`.
pub const CU_ARRAY_CREATE: u32 = 473;
/// `cuArrayGetDescriptor`.
pub const CU_ARRAY_GET_DESCRIPTOR: u32 = 474;
/// `cuArrayGetSparseProperties`.
pub const CU_ARRAY_GET_SPARSE_PROPERTIES: u32 = 475;
/// `cuMipmappedArrayGetSparseProperties`.
pub const CU_MIPMAPPED_ARRAY_GET_SPARSE_PROPERTIES: u32 = 476;
/// `cuArrayGetMemoryRequirements`.
pub const CU_ARRAY_GET_MEMORY_REQUIREMENTS: u32 = 477;
/// `cuMipmappedArrayGetMemoryRequirements`.
pub const CU_MIPMAPPED_ARRAY_GET_MEMORY_REQUIREMENTS: u32 = 478;
/// `cuArrayGetPlane`.
pub const CU_ARRAY_GET_PLANE: u32 = 479;
/// `cuArrayDestroy`.
pub const CU_ARRAY_DESTROY: u32 = 480;
/// `cuArray3DCreate`.
pub const CU_ARRAY3D_CREATE: u32 = 481;
/// `cuArray3DGetDescriptor`.
pub const CU_ARRAY3D_GET_DESCRIPTOR: u32 = 482;
/// `cuMipmappedArrayCreate`.
pub const CU_MIPMAPPED_ARRAY_CREATE: u32 = 483;
/// `cuMipmappedArrayGetLevel`.
pub const CU_MIPMAPPED_ARRAY_GET_LEVEL: u32 = 484;
/// `cuMipmappedArrayDestroy`.
pub const CU_MIPMAPPED_ARRAY_DESTROY: u32 = 485;
/// `cuStreamBeginCaptureToCig`.
pub const CU_STREAM_BEGIN_CAPTURE_TO_CIG: u32 = 504;
/// `cuStreamEndCaptureToCig`.
pub const CU_STREAM_END_CAPTURE_TO_CIG: u32 = 505;
/// `cuStreamBeginCapture`.
pub const CU_STREAM_BEGIN_CAPTURE: u32 = 506;
/// `cuStreamBeginCaptureToGraph`.
pub const CU_STREAM_BEGIN_CAPTURE_TO_GRAPH: u32 = 507;
/// `cuThreadExchangeStreamCaptureMode`.
pub const CU_THREAD_EXCHANGE_STREAM_CAPTURE_MODE: u32 = 508;
/// `cuStreamEndCapture`.
pub const CU_STREAM_END_CAPTURE: u32 = 509;
/// `cuStreamIsCapturing`.
pub const CU_STREAM_IS_CAPTURING: u32 = 510;
/// `cuStreamGetCaptureInfo`.
pub const CU_STREAM_GET_CAPTURE_INFO: u32 = 511;
/// `cuStreamGetCaptureInfo_v2`.
pub const CU_STREAM_GET_CAPTURE_INFO_V2: u32 = 512;
/// `cuStreamGetCaptureInfo_v3`.
pub const CU_STREAM_GET_CAPTURE_INFO_V3: u32 = 513;
/// `cuStreamUpdateCaptureDependencies`.
pub const CU_STREAM_UPDATE_CAPTURE_DEPENDENCIES: u32 = 514;
/// `cuStreamUpdateCaptureDependencies_v2`.
pub const CU_STREAM_UPDATE_CAPTURE_DEPENDENCIES_V2: u32 = 515;
/// `cuCheckpointProcessGetRestoreThreadId`.
pub const CU_CHECKPOINT_PROCESS_GET_RESTORE_THREAD_ID: u32 = 792;
/// `cuCheckpointProcessGetState`.
pub const CU_CHECKPOINT_PROCESS_GET_STATE: u32 = 793;
/// `cuCheckpointProcessLock`.
pub const CU_CHECKPOINT_PROCESS_LOCK: u32 = 794;
/// `cuCheckpointProcessCheckpoint`.
pub const CU_CHECKPOINT_PROCESS_CHECKPOINT: u32 = 795;
/// `cuCheckpointProcessRestore`.
pub const CU_CHECKPOINT_PROCESS_RESTORE: u32 = 796;
/// `cuCheckpointOperationComplete`.
pub const CU_CHECKPOINT_OPERATION_COMPLETE: u32 = 797;
/// `cuCheckpointProcessUnlock`.
pub const CU_CHECKPOINT_PROCESS_UNLOCK: u32 = 798;
/// `cuDevicePrimaryCtxRetain`.
pub const CU_DEVICE_PRIMARY_CTX_RETAIN: u32 = 284;
/// `cuDevicePrimaryCtxRelease`.
pub const CU_DEVICE_PRIMARY_CTX_RELEASE: u32 = 285;
/// `cuDevicePrimaryCtxSetFlags`.
pub const CU_DEVICE_PRIMARY_CTX_SET_FLAGS: u32 = 286;
/// `cuDevicePrimaryCtxGetState`.
pub const CU_DEVICE_PRIMARY_CTX_GET_STATE: u32 = 287;
/// `cuDevicePrimaryCtxReset`.
pub const CU_DEVICE_PRIMARY_CTX_RESET: u32 = 288;
/// `cuCtxCreate`.
pub const CU_CTX_CREATE: u32 = 289;
/// `cuCtxCreate_v3`.
pub const CU_CTX_CREATE_V3: u32 = 290;
/// `cuCtxCreate_v4`.
pub const CU_CTX_CREATE_V4: u32 = 291;
/// `cuCtxDestroy`.
pub const CU_CTX_DESTROY: u32 = 292;
/// `cuCtxPushCurrent`.
pub const CU_CTX_PUSH_CURRENT: u32 = 293;
/// `cuCtxPopCurrent`.
pub const CU_CTX_POP_CURRENT: u32 = 294;
/// `cuCtxSetCurrent`.
pub const CU_CTX_SET_CURRENT: u32 = 295;
/// `cuCtxGetCurrent`.
pub const CU_CTX_GET_CURRENT: u32 = 296;
/// `cuCtxGetDevice`.
pub const CU_CTX_GET_DEVICE: u32 = 297;
/// `cuCtxGetDevice_v2`.
pub const CU_CTX_GET_DEVICE_V2: u32 = 298;
/// `cuCtxGetFlags`.
pub const CU_CTX_GET_FLAGS: u32 = 299;
/// `cuCtxSetFlags`.
pub const CU_CTX_SET_FLAGS: u32 = 300;
/// `cuCtxGetId`.
pub const CU_CTX_GET_ID: u32 = 301;
/// `cuCtxSynchronize`.
pub const CU_CTX_SYNCHRONIZE: u32 = 302;
/// `cuCtxSynchronize_v2`.
pub const CU_CTX_SYNCHRONIZE_V2: u32 = 303;
/// `cuCtxSetLimit`.
pub const CU_CTX_SET_LIMIT: u32 = 304;
/// `cuCtxGetLimit`.
pub const CU_CTX_GET_LIMIT: u32 = 305;
/// `cuCtxGetCacheConfig`.
pub const CU_CTX_GET_CACHE_CONFIG: u32 = 306;
/// `cuCtxSetCacheConfig`.
pub const CU_CTX_SET_CACHE_CONFIG: u32 = 307;
/// `cuCtxGetApiVersion`.
pub const CU_CTX_GET_API_VERSION: u32 = 308;
/// `cuCtxGetStreamPriorityRange`.
pub const CU_CTX_GET_STREAM_PRIORITY_RANGE: u32 = 309;
/// `cuCtxResetPersistingL2Cache`.
pub const CU_CTX_RESET_PERSISTING_L2_CACHE: u32 = 310;
/// `cuCtxGetExecAffinity`.
pub const CU_CTX_GET_EXEC_AFFINITY: u32 = 311;
/// `cuCtxRecordEvent`.
pub const CU_CTX_RECORD_EVENT: u32 = 312;
/// `cuCtxWaitEvent`.
pub const CU_CTX_WAIT_EVENT: u32 = 313;
/// `cuCtxAttach`.
pub const CU_CTX_ATTACH: u32 = 314;
/// `cuCtxDetach`.
pub const CU_CTX_DETACH: u32 = 315;
/// `cuCtxGetSharedMemConfig`.
pub const CU_CTX_GET_SHARED_MEM_CONFIG: u32 = 316;
/// `cuCtxSetSharedMemConfig`.
pub const CU_CTX_SET_SHARED_MEM_CONFIG: u32 = 317;
/// `cuMemcpy`.
pub const CU_MEMCPY: u32 = 431;
/// `cuMemcpyPeer`.
pub const CU_MEMCPY_PEER: u32 = 432;
/// `cuMemcpyHtoD`.
pub const CU_MEMCPY_HTOD: u32 = 433;
/// `cuMemcpyDtoH`.
pub const CU_MEMCPY_DTOH: u32 = 434;
/// `cuMemcpyDtoD`.
pub const CU_MEMCPY_DTOD: u32 = 435;
/// `cuMemcpyDtoA`.
pub const CU_MEMCPY_DTOA: u32 = 436;
/// `cuMemcpyAtoD`.
pub const CU_MEMCPY_ATOD: u32 = 437;
/// `cuMemcpyHtoA`.
pub const CU_MEMCPY_HTOA: u32 = 438;
/// `cuMemcpyAtoH`.
pub const CU_MEMCPY_ATOH: u32 = 439;
/// `cuMemcpyAtoA`.
pub const CU_MEMCPY_ATOA: u32 = 440;
/// `cuMemcpy2D`.
pub const CU_MEMCPY2D: u32 = 441;
/// `cuMemcpy2DUnaligned`.
pub const CU_MEMCPY2D_UNALIGNED: u32 = 442;
/// `cuMemcpy3D`.
pub const CU_MEMCPY3D: u32 = 443;
/// `cuMemcpy3DPeer`.
pub const CU_MEMCPY3D_PEER: u32 = 444;
/// `cuMemcpyAsync`.
pub const CU_MEMCPY_ASYNC: u32 = 445;
/// `cuMemcpyPeerAsync`.
pub const CU_MEMCPY_PEER_ASYNC: u32 = 446;
/// `cuMemcpyHtoDAsync`.
pub const CU_MEMCPY_HTOD_ASYNC: u32 = 447;
/// `cuMemcpyDtoHAsync`.
pub const CU_MEMCPY_DTOH_ASYNC: u32 = 448;
/// `cuMemcpyDtoDAsync`.
pub const CU_MEMCPY_DTOD_ASYNC: u32 = 449;
/// `cuMemcpyHtoAAsync`.
pub const CU_MEMCPY_HTOA_ASYNC: u32 = 450;
/// `cuMemcpyAtoHAsync`.
pub const CU_MEMCPY_ATOH_ASYNC: u32 = 451;
/// `cuMemcpy2DAsync`.
pub const CU_MEMCPY2D_ASYNC: u32 = 452;
/// `cuMemcpy3DAsync`.
pub const CU_MEMCPY3D_ASYNC: u32 = 453;
/// `cuMemcpy3DPeerAsync`.
pub const CU_MEMCPY3D_PEER_ASYNC: u32 = 454;
/// `cuMemcpyBatchAsync`.
pub const CU_MEMCPY_BATCH_ASYNC: u32 = 455;
/// `cuMemcpyBatchAsync_v2`.
pub const CU_MEMCPY_BATCH_ASYNC_V2: u32 = 456;
/// `cuMemcpy3DBatchAsync`.
pub const CU_MEMCPY3D_BATCH_ASYNC: u32 = 457;
/// `cuMemcpy3DBatchAsync_v2`.
pub const CU_MEMCPY3D_BATCH_ASYNC_V2: u32 = 458;
/// `cuMemcpyWithAttributesAsync`.
pub const CU_MEMCPY_WITH_ATTRIBUTES_ASYNC: u32 = 459;
/// `cuMemcpy3DWithAttributesAsync`.
pub const CU_MEMCPY3D_WITH_ATTRIBUTES_ASYNC: u32 = 460;
/// `cuCoredumpGetAttribute`.
pub const CU_COREDUMP_GET_ATTRIBUTE: u32 = 784;
/// `cuCoredumpGetAttributeGlobal`.
pub const CU_COREDUMP_GET_ATTRIBUTE_GLOBAL: u32 = 785;
/// `cuCoredumpSetAttribute`.
pub const CU_COREDUMP_SET_ATTRIBUTE: u32 = 786;
/// `cuCoredumpSetAttributeGlobal`.
pub const CU_COREDUMP_SET_ATTRIBUTE_GLOBAL: u32 = 787;
/// `cuCoredumpRegisterStartCallback`.
pub const CU_COREDUMP_REGISTER_START_CALLBACK: u32 = 788;
/// `cuCoredumpRegisterCompleteCallback`.
pub const CU_COREDUMP_REGISTER_COMPLETE_CALLBACK: u32 = 789;
/// `cuCoredumpDeregisterStartCallback`.
pub const CU_COREDUMP_DEREGISTER_START_CALLBACK: u32 = 790;
/// `cuCoredumpDeregisterCompleteCallback`.
pub const CU_COREDUMP_DEREGISTER_COMPLETE_CALLBACK: u32 = 791;
/// `cuDeviceGet`.
pub const CU_DEVICE_GET: u32 = 263;
/// `cuDeviceGetCount`.
pub const CU_DEVICE_GET_COUNT: u32 = 264;
/// `cuDeviceGetName`.
pub const CU_DEVICE_GET_NAME: u32 = 265;
/// `cuDeviceGetUuid`.
pub const CU_DEVICE_GET_UUID: u32 = 266;
/// `cuDeviceGetLuid`.
pub const CU_DEVICE_GET_LUID: u32 = 267;
/// `cuDeviceTotalMem`.
pub const CU_DEVICE_TOTAL_MEM: u32 = 268;
/// `cuDeviceGetTexture1DLinearMaxWidth`.
pub const CU_DEVICE_GET_TEXTURE1D_LINEAR_MAX_WIDTH: u32 = 269;
/// `cuDeviceGetAttribute`.
pub const CU_DEVICE_GET_ATTRIBUTE: u32 = 270;
/// `cuDeviceGetHostAtomicCapabilities`.
pub const CU_DEVICE_GET_HOST_ATOMIC_CAPABILITIES: u32 = 271;
/// `cuDeviceGetNvSciSyncAttributes`.
pub const CU_DEVICE_GET_NV_SCI_SYNC_ATTRIBUTES: u32 = 272;
/// `cuDeviceSetMemPool`.
pub const CU_DEVICE_SET_MEM_POOL: u32 = 273;
/// `cuDeviceGetMemPool`.
pub const CU_DEVICE_GET_MEM_POOL: u32 = 274;
/// `cuDeviceGetDefaultMemPool`.
pub const CU_DEVICE_GET_DEFAULT_MEM_POOL: u32 = 275;
/// `cuDeviceGetExecAffinitySupport`.
pub const CU_DEVICE_GET_EXEC_AFFINITY_SUPPORT: u32 = 276;
/// `cuFlushGPUDirectRDMAWrites`.
pub const CU_FLUSH_GPU_DIRECT_RDMA_WRITES: u32 = 277;
/// `cuDeviceGetProperties`.
pub const CU_DEVICE_GET_PROPERTIES: u32 = 278;
/// `cuDeviceComputeCapability`.
pub const CU_DEVICE_COMPUTE_CAPABILITY: u32 = 279;
/// `cuDeviceRegisterAsyncNotification`.
pub const CU_DEVICE_REGISTER_ASYNC_NOTIFICATION: u32 = 280;
/// `cuDeviceUnregisterAsyncNotification`.
pub const CU_DEVICE_UNREGISTER_ASYNC_NOTIFICATION: u32 = 281;
/// `cuDeviceGetByPCIBusId`.
pub const CU_DEVICE_GET_BY_PCI_BUS_ID: u32 = 282;
/// `cuDeviceGetPCIBusId`.
pub const CU_DEVICE_GET_PCI_BUS_ID: u32 = 283;
/// `cuEventCreate`.
pub const CU_EVENT_CREATE: u32 = 516;
/// `cuEventRecord`.
pub const CU_EVENT_RECORD: u32 = 517;
/// `cuEventRecordWithFlags`.
pub const CU_EVENT_RECORD_WITH_FLAGS: u32 = 518;
/// `cuEventQuery`.
pub const CU_EVENT_QUERY: u32 = 519;
/// `cuEventSynchronize`.
pub const CU_EVENT_SYNCHRONIZE: u32 = 520;
/// `cuEventDestroy`.
pub const CU_EVENT_DESTROY: u32 = 521;
/// `cuEventElapsedTime`.
pub const CU_EVENT_ELAPSED_TIME: u32 = 522;
/// `cuImportExternalMemory`.
pub const CU_IMPORT_EXTERNAL_MEMORY: u32 = 702;
/// `cuExternalMemoryGetMappedBuffer`.
pub const CU_EXTERNAL_MEMORY_GET_MAPPED_BUFFER: u32 = 703;
/// `cuExternalMemoryGetMappedMipmappedArray`.
pub const CU_EXTERNAL_MEMORY_GET_MAPPED_MIPMAPPED_ARRAY: u32 = 704;
/// `cuDestroyExternalMemory`.
pub const CU_DESTROY_EXTERNAL_MEMORY: u32 = 705;
/// `cuImportExternalSemaphore`.
pub const CU_IMPORT_EXTERNAL_SEMAPHORE: u32 = 706;
/// `cuSignalExternalSemaphoresAsync`.
pub const CU_SIGNAL_EXTERNAL_SEMAPHORES_ASYNC: u32 = 707;
/// `cuWaitExternalSemaphoresAsync`.
pub const CU_WAIT_EXTERNAL_SEMAPHORES_ASYNC: u32 = 708;
/// `cuDestroyExternalSemaphore`.
pub const CU_DESTROY_EXTERNAL_SEMAPHORE: u32 = 709;
/// `cuDeviceGetFabricClusterUuid`.
pub const CU_DEVICE_GET_FABRIC_CLUSTER_UUID: u32 = 768;
/// `cuDeviceGetCliqueCount`.
pub const CU_DEVICE_GET_CLIQUE_COUNT: u32 = 769;
/// `cuDeviceGetCliqueInfo`.
pub const CU_DEVICE_GET_CLIQUE_INFO: u32 = 770;
/// `cuLogicalEndpointIdReserve`.
pub const CU_LOGICAL_ENDPOINT_ID_RESERVE: u32 = 771;
/// `cuLogicalEndpointIdRelease`.
pub const CU_LOGICAL_ENDPOINT_ID_RELEASE: u32 = 772;
/// `cuLogicalEndpointCreate`.
pub const CU_LOGICAL_ENDPOINT_CREATE: u32 = 773;
/// `cuLogicalEndpointAddDevice`.
pub const CU_LOGICAL_ENDPOINT_ADD_DEVICE: u32 = 774;
/// `cuLogicalEndpointDestroy`.
pub const CU_LOGICAL_ENDPOINT_DESTROY: u32 = 775;
/// `cuLogicalEndpointBindAddr`.
pub const CU_LOGICAL_ENDPOINT_BIND_ADDR: u32 = 776;
/// `cuLogicalEndpointBindMem`.
pub const CU_LOGICAL_ENDPOINT_BIND_MEM: u32 = 777;
/// `cuLogicalEndpointUnbind`.
pub const CU_LOGICAL_ENDPOINT_UNBIND: u32 = 778;
/// `cuLogicalEndpointExport`.
pub const CU_LOGICAL_ENDPOINT_EXPORT: u32 = 779;
/// `cuLogicalEndpointImport`.
pub const CU_LOGICAL_ENDPOINT_IMPORT: u32 = 780;
/// `cuLogicalEndpointGetLimits`.
pub const CU_LOGICAL_ENDPOINT_GET_LIMITS: u32 = 781;
/// `cuLogicalEndpointQuery`.
pub const CU_LOGICAL_ENDPOINT_QUERY: u32 = 782;
/// `cuFabricCpyBatchAsync`.
pub const CU_FABRIC_CPY_BATCH_ASYNC: u32 = 783;
/// `cuFuncGetAttribute`.
pub const CU_FUNC_GET_ATTRIBUTE: u32 = 353;
/// `cuFuncSetAttribute`.
pub const CU_FUNC_SET_ATTRIBUTE: u32 = 354;
/// `cuFuncSetCacheConfig`.
pub const CU_FUNC_SET_CACHE_CONFIG: u32 = 355;
/// `cuFuncGetModule`.
pub const CU_FUNC_GET_MODULE: u32 = 356;
/// `cuFuncGetName`.
pub const CU_FUNC_GET_NAME: u32 = 357;
/// `cuFuncGetParamInfo`.
pub const CU_FUNC_GET_PARAM_INFO: u32 = 358;
/// `cuFuncGetParamCount`.
pub const CU_FUNC_GET_PARAM_COUNT: u32 = 359;
/// `cuFuncIsLoaded`.
pub const CU_FUNC_IS_LOADED: u32 = 360;
/// `cuFuncLoad`.
pub const CU_FUNC_LOAD: u32 = 361;
/// `cuGraphCreate`.
pub const CU_GRAPH_CREATE: u32 = 528;
/// `cuDeviceGraphMemTrim`.
pub const CU_DEVICE_GRAPH_MEM_TRIM: u32 = 529;
/// `cuDeviceGetGraphMemAttribute`.
pub const CU_DEVICE_GET_GRAPH_MEM_ATTRIBUTE: u32 = 530;
/// `cuDeviceSetGraphMemAttribute`.
pub const CU_DEVICE_SET_GRAPH_MEM_ATTRIBUTE: u32 = 531;
/// `cuGraphClone`.
pub const CU_GRAPH_CLONE: u32 = 532;
/// `cuGraphGetId`.
pub const CU_GRAPH_GET_ID: u32 = 533;
/// `cuGraphExecGetId`.
pub const CU_GRAPH_EXEC_GET_ID: u32 = 534;
/// `cuGraphGetNodes`.
pub const CU_GRAPH_GET_NODES: u32 = 535;
/// `cuGraphGetRootNodes`.
pub const CU_GRAPH_GET_ROOT_NODES: u32 = 536;
/// `cuGraphGetEdges`.
pub const CU_GRAPH_GET_EDGES: u32 = 537;
/// `cuGraphGetEdges_v2`.
pub const CU_GRAPH_GET_EDGES_V2: u32 = 538;
/// `cuGraphAddDependencies`.
pub const CU_GRAPH_ADD_DEPENDENCIES: u32 = 539;
/// `cuGraphAddDependencies_v2`.
pub const CU_GRAPH_ADD_DEPENDENCIES_V2: u32 = 540;
/// `cuGraphRemoveDependencies`.
pub const CU_GRAPH_REMOVE_DEPENDENCIES: u32 = 541;
/// `cuGraphRemoveDependencies_v2`.
pub const CU_GRAPH_REMOVE_DEPENDENCIES_V2: u32 = 542;
/// `cuGraphInstantiateWithFlags`.
pub const CU_GRAPH_INSTANTIATE_WITH_FLAGS: u32 = 543;
/// `cuGraphInstantiateWithParams`.
pub const CU_GRAPH_INSTANTIATE_WITH_PARAMS: u32 = 544;
/// `cuGraphExecGetFlags`.
pub const CU_GRAPH_EXEC_GET_FLAGS: u32 = 545;
/// `cuGraphUpload`.
pub const CU_GRAPH_UPLOAD: u32 = 546;
/// `cuGraphLaunch`.
pub const CU_GRAPH_LAUNCH: u32 = 547;
/// `cuGraphExecDestroy`.
pub const CU_GRAPH_EXEC_DESTROY: u32 = 548;
/// `cuGraphDestroy`.
pub const CU_GRAPH_DESTROY: u32 = 549;
/// `cuGraphExecUpdate`.
pub const CU_GRAPH_EXEC_UPDATE: u32 = 550;
/// `cuGraphExecUpdate_v2`.
pub const CU_GRAPH_EXEC_UPDATE_V2: u32 = 551;
/// `cuGraphDebugDotPrint`.
pub const CU_GRAPH_DEBUG_DOT_PRINT: u32 = 552;
/// `cuUserObjectCreate`.
pub const CU_USER_OBJECT_CREATE: u32 = 553;
/// `cuUserObjectRetain`.
pub const CU_USER_OBJECT_RETAIN: u32 = 554;
/// `cuUserObjectRelease`.
pub const CU_USER_OBJECT_RELEASE: u32 = 555;
/// `cuGraphRetainUserObject`.
pub const CU_GRAPH_RETAIN_USER_OBJECT: u32 = 556;
/// `cuGraphReleaseUserObject`.
pub const CU_GRAPH_RELEASE_USER_OBJECT: u32 = 557;
/// `cuGraphConditionalHandleCreate`.
pub const CU_GRAPH_CONDITIONAL_HANDLE_CREATE: u32 = 558;
/// `cuGraphInstantiate`.
pub const CU_GRAPH_INSTANTIATE: u32 = 559;
/// `cuGraphAddKernelNode`.
pub const CU_GRAPH_ADD_KERNEL_NODE: u32 = 560;
/// `cuGraphAddKernelNode_v2`.
pub const CU_GRAPH_ADD_KERNEL_NODE_V2: u32 = 561;
/// `cuGraphKernelNodeGetParams`.
pub const CU_GRAPH_KERNEL_NODE_GET_PARAMS: u32 = 562;
/// `cuGraphKernelNodeGetParams_v2`.
pub const CU_GRAPH_KERNEL_NODE_GET_PARAMS_V2: u32 = 563;
/// `cuGraphKernelNodeSetParams`.
pub const CU_GRAPH_KERNEL_NODE_SET_PARAMS: u32 = 564;
/// `cuGraphKernelNodeSetParams_v2`.
pub const CU_GRAPH_KERNEL_NODE_SET_PARAMS_V2: u32 = 565;
/// `cuGraphAddMemcpyNode`.
pub const CU_GRAPH_ADD_MEMCPY_NODE: u32 = 566;
/// `cuGraphMemcpyNodeGetParams`.
pub const CU_GRAPH_MEMCPY_NODE_GET_PARAMS: u32 = 567;
/// `cuGraphMemcpyNodeSetParams`.
pub const CU_GRAPH_MEMCPY_NODE_SET_PARAMS: u32 = 568;
/// `cuGraphAddMemsetNode`.
pub const CU_GRAPH_ADD_MEMSET_NODE: u32 = 569;
/// `cuGraphMemsetNodeGetParams`.
pub const CU_GRAPH_MEMSET_NODE_GET_PARAMS: u32 = 570;
/// `cuGraphMemsetNodeSetParams`.
pub const CU_GRAPH_MEMSET_NODE_SET_PARAMS: u32 = 571;
/// `cuGraphAddHostNode`.
pub const CU_GRAPH_ADD_HOST_NODE: u32 = 572;
/// `cuGraphHostNodeGetParams`.
pub const CU_GRAPH_HOST_NODE_GET_PARAMS: u32 = 573;
/// `cuGraphHostNodeSetParams`.
pub const CU_GRAPH_HOST_NODE_SET_PARAMS: u32 = 574;
/// `cuGraphAddChildGraphNode`.
pub const CU_GRAPH_ADD_CHILD_GRAPH_NODE: u32 = 575;
/// `cuGraphChildGraphNodeGetGraph`.
pub const CU_GRAPH_CHILD_GRAPH_NODE_GET_GRAPH: u32 = 576;
/// `cuGraphAddEmptyNode`.
pub const CU_GRAPH_ADD_EMPTY_NODE: u32 = 577;
/// `cuGraphAddEventRecordNode`.
pub const CU_GRAPH_ADD_EVENT_RECORD_NODE: u32 = 578;
/// `cuGraphEventRecordNodeGetEvent`.
pub const CU_GRAPH_EVENT_RECORD_NODE_GET_EVENT: u32 = 579;
/// `cuGraphEventRecordNodeSetEvent`.
pub const CU_GRAPH_EVENT_RECORD_NODE_SET_EVENT: u32 = 580;
/// `cuGraphAddEventWaitNode`.
pub const CU_GRAPH_ADD_EVENT_WAIT_NODE: u32 = 581;
/// `cuGraphEventWaitNodeGetEvent`.
pub const CU_GRAPH_EVENT_WAIT_NODE_GET_EVENT: u32 = 582;
/// `cuGraphEventWaitNodeSetEvent`.
pub const CU_GRAPH_EVENT_WAIT_NODE_SET_EVENT: u32 = 583;
/// `cuGraphAddExternalSemaphoresSignalNode`.
pub const CU_GRAPH_ADD_EXTERNAL_SEMAPHORES_SIGNAL_NODE: u32 = 584;
/// `cuGraphExternalSemaphoresSignalNodeGetParams`.
pub const CU_GRAPH_EXTERNAL_SEMAPHORES_SIGNAL_NODE_GET_PARAMS: u32 = 585;
/// `cuGraphExternalSemaphoresSignalNodeSetParams`.
pub const CU_GRAPH_EXTERNAL_SEMAPHORES_SIGNAL_NODE_SET_PARAMS: u32 = 586;
/// `cuGraphAddExternalSemaphoresWaitNode`.
pub const CU_GRAPH_ADD_EXTERNAL_SEMAPHORES_WAIT_NODE: u32 = 587;
/// `cuGraphExternalSemaphoresWaitNodeGetParams`.
pub const CU_GRAPH_EXTERNAL_SEMAPHORES_WAIT_NODE_GET_PARAMS: u32 = 588;
/// `cuGraphExternalSemaphoresWaitNodeSetParams`.
pub const CU_GRAPH_EXTERNAL_SEMAPHORES_WAIT_NODE_SET_PARAMS: u32 = 589;
/// `cuGraphAddBatchMemOpNode`.
pub const CU_GRAPH_ADD_BATCH_MEM_OP_NODE: u32 = 590;
/// `cuGraphBatchMemOpNodeGetParams`.
pub const CU_GRAPH_BATCH_MEM_OP_NODE_GET_PARAMS: u32 = 591;
/// `cuGraphBatchMemOpNodeSetParams`.
pub const CU_GRAPH_BATCH_MEM_OP_NODE_SET_PARAMS: u32 = 592;
/// `cuGraphExecBatchMemOpNodeSetParams`.
pub const CU_GRAPH_EXEC_BATCH_MEM_OP_NODE_SET_PARAMS: u32 = 593;
/// `cuGraphAddMemAllocNode`.
pub const CU_GRAPH_ADD_MEM_ALLOC_NODE: u32 = 594;
/// `cuGraphMemAllocNodeGetParams`.
pub const CU_GRAPH_MEM_ALLOC_NODE_GET_PARAMS: u32 = 595;
/// `cuGraphAddMemFreeNode`.
pub const CU_GRAPH_ADD_MEM_FREE_NODE: u32 = 596;
/// `cuGraphMemFreeNodeGetParams`.
pub const CU_GRAPH_MEM_FREE_NODE_GET_PARAMS: u32 = 597;
/// `cuGraphNodeFindInClone`.
pub const CU_GRAPH_NODE_FIND_IN_CLONE: u32 = 598;
/// `cuGraphNodeGetType`.
pub const CU_GRAPH_NODE_GET_TYPE: u32 = 599;
/// `cuGraphNodeGetContainingGraph`.
pub const CU_GRAPH_NODE_GET_CONTAINING_GRAPH: u32 = 600;
/// `cuGraphNodeGetLocalId`.
pub const CU_GRAPH_NODE_GET_LOCAL_ID: u32 = 601;
/// `cuGraphNodeGetToolsId`.
pub const CU_GRAPH_NODE_GET_TOOLS_ID: u32 = 602;
/// `cuGraphNodeGetDependencies`.
pub const CU_GRAPH_NODE_GET_DEPENDENCIES: u32 = 603;
/// `cuGraphNodeGetDependencies_v2`.
pub const CU_GRAPH_NODE_GET_DEPENDENCIES_V2: u32 = 604;
/// `cuGraphNodeGetDependentNodes`.
pub const CU_GRAPH_NODE_GET_DEPENDENT_NODES: u32 = 605;
/// `cuGraphNodeGetDependentNodes_v2`.
pub const CU_GRAPH_NODE_GET_DEPENDENT_NODES_V2: u32 = 606;
/// `cuGraphDestroyNode`.
pub const CU_GRAPH_DESTROY_NODE: u32 = 607;
/// `cuGraphExecKernelNodeSetParams`.
pub const CU_GRAPH_EXEC_KERNEL_NODE_SET_PARAMS: u32 = 608;
/// `cuGraphExecKernelNodeSetParams_v2`.
pub const CU_GRAPH_EXEC_KERNEL_NODE_SET_PARAMS_V2: u32 = 609;
/// `cuGraphExecMemcpyNodeSetParams`.
pub const CU_GRAPH_EXEC_MEMCPY_NODE_SET_PARAMS: u32 = 610;
/// `cuGraphExecMemsetNodeSetParams`.
pub const CU_GRAPH_EXEC_MEMSET_NODE_SET_PARAMS: u32 = 611;
/// `cuGraphExecHostNodeSetParams`.
pub const CU_GRAPH_EXEC_HOST_NODE_SET_PARAMS: u32 = 612;
/// `cuGraphExecChildGraphNodeSetParams`.
pub const CU_GRAPH_EXEC_CHILD_GRAPH_NODE_SET_PARAMS: u32 = 613;
/// `cuGraphExecEventRecordNodeSetEvent`.
pub const CU_GRAPH_EXEC_EVENT_RECORD_NODE_SET_EVENT: u32 = 614;
/// `cuGraphExecEventWaitNodeSetEvent`.
pub const CU_GRAPH_EXEC_EVENT_WAIT_NODE_SET_EVENT: u32 = 615;
/// `cuGraphExecExternalSemaphoresSignalNodeSetParams`.
pub const CU_GRAPH_EXEC_EXTERNAL_SEMAPHORES_SIGNAL_NODE_SET_PARAMS: u32 = 616;
/// `cuGraphExecExternalSemaphoresWaitNodeSetParams`.
pub const CU_GRAPH_EXEC_EXTERNAL_SEMAPHORES_WAIT_NODE_SET_PARAMS: u32 = 617;
/// `cuGraphNodeSetEnabled`.
pub const CU_GRAPH_NODE_SET_ENABLED: u32 = 618;
/// `cuGraphNodeGetEnabled`.
pub const CU_GRAPH_NODE_GET_ENABLED: u32 = 619;
/// `cuGraphKernelNodeCopyAttributes`.
pub const CU_GRAPH_KERNEL_NODE_COPY_ATTRIBUTES: u32 = 620;
/// `cuGraphKernelNodeGetAttribute`.
pub const CU_GRAPH_KERNEL_NODE_GET_ATTRIBUTE: u32 = 621;
/// `cuGraphKernelNodeSetAttribute`.
pub const CU_GRAPH_KERNEL_NODE_SET_ATTRIBUTE: u32 = 622;
/// `cuGraphAddNode`.
pub const CU_GRAPH_ADD_NODE: u32 = 623;
/// `cuGraphAddNode_v2`.
pub const CU_GRAPH_ADD_NODE_V2: u32 = 624;
/// `cuGraphNodeSetParams`.
pub const CU_GRAPH_NODE_SET_PARAMS: u32 = 625;
/// `cuGraphNodeGetParams`.
pub const CU_GRAPH_NODE_GET_PARAMS: u32 = 626;
/// `cuGraphExecNodeSetParams`.
pub const CU_GRAPH_EXEC_NODE_SET_PARAMS: u32 = 627;
/// `cuGraphicsUnregisterResource`.
pub const CU_GRAPHICS_UNREGISTER_RESOURCE: u32 = 710;
/// `cuGraphicsSubResourceGetMappedArray`.
pub const CU_GRAPHICS_SUB_RESOURCE_GET_MAPPED_ARRAY: u32 = 711;
/// `cuGraphicsResourceGetMappedMipmappedArray`.
pub const CU_GRAPHICS_RESOURCE_GET_MAPPED_MIPMAPPED_ARRAY: u32 = 712;
/// `cuGraphicsResourceGetMappedPointer`.
pub const CU_GRAPHICS_RESOURCE_GET_MAPPED_POINTER: u32 = 713;
/// `cuGraphicsResourceSetMapFlags`.
pub const CU_GRAPHICS_RESOURCE_SET_MAP_FLAGS: u32 = 714;
/// `cuGraphicsMapResources`.
pub const CU_GRAPHICS_MAP_RESOURCES: u32 = 715;
/// `cuGraphicsUnmapResources`.
pub const CU_GRAPHICS_UNMAP_RESOURCES: u32 = 716;
/// `cuGraphicsGLRegisterBuffer`.
pub const CU_GRAPHICS_GL_REGISTER_BUFFER: u32 = 717;
/// `cuGraphicsGLRegisterImage`.
pub const CU_GRAPHICS_GL_REGISTER_IMAGE: u32 = 718;
/// `cuGLGetDevices`.
pub const CU_GL_GET_DEVICES: u32 = 719;
/// `cuGLCtxCreate`.
pub const CU_GL_CTX_CREATE: u32 = 720;
/// `cuGLInit`.
pub const CU_GL_INIT: u32 = 721;
/// `cuGLRegisterBufferObject`.
pub const CU_GL_REGISTER_BUFFER_OBJECT: u32 = 722;
/// `cuGLMapBufferObject`.
pub const CU_GL_MAP_BUFFER_OBJECT: u32 = 723;
/// `cuGLUnmapBufferObject`.
pub const CU_GL_UNMAP_BUFFER_OBJECT: u32 = 724;
/// `cuGLUnregisterBufferObject`.
pub const CU_GL_UNREGISTER_BUFFER_OBJECT: u32 = 725;
/// `cuGLSetBufferObjectMapFlags`.
pub const CU_GL_SET_BUFFER_OBJECT_MAP_FLAGS: u32 = 726;
/// `cuGLMapBufferObjectAsync`.
pub const CU_GL_MAP_BUFFER_OBJECT_ASYNC: u32 = 727;
/// `cuGLUnmapBufferObjectAsync`.
pub const CU_GL_UNMAP_BUFFER_OBJECT_ASYNC: u32 = 728;
/// `cuGraphicsEGLRegisterImage`.
pub const CU_GRAPHICS_EGL_REGISTER_IMAGE: u32 = 729;
/// `cuEGLStreamConsumerConnect`.
pub const CU_EGL_STREAM_CONSUMER_CONNECT: u32 = 730;
/// `cuEGLStreamConsumerConnectWithFlags`.
pub const CU_EGL_STREAM_CONSUMER_CONNECT_WITH_FLAGS: u32 = 731;
/// `cuEGLStreamConsumerDisconnect`.
pub const CU_EGL_STREAM_CONSUMER_DISCONNECT: u32 = 732;
/// `cuEGLStreamConsumerAcquireFrame`.
pub const CU_EGL_STREAM_CONSUMER_ACQUIRE_FRAME: u32 = 733;
/// `cuEGLStreamConsumerReleaseFrame`.
pub const CU_EGL_STREAM_CONSUMER_RELEASE_FRAME: u32 = 734;
/// `cuEGLStreamProducerConnect`.
pub const CU_EGL_STREAM_PRODUCER_CONNECT: u32 = 735;
/// `cuEGLStreamProducerDisconnect`.
pub const CU_EGL_STREAM_PRODUCER_DISCONNECT: u32 = 736;
/// `cuEGLStreamProducerPresentFrame`.
pub const CU_EGL_STREAM_PRODUCER_PRESENT_FRAME: u32 = 737;
/// `cuEGLStreamProducerReturnFrame`.
pub const CU_EGL_STREAM_PRODUCER_RETURN_FRAME: u32 = 738;
/// `cuGraphicsResourceGetMappedEglFrame`.
pub const CU_GRAPHICS_RESOURCE_GET_MAPPED_EGL_FRAME: u32 = 739;
/// `cuEventCreateFromEGLSync`.
pub const CU_EVENT_CREATE_FROM_EGL_SYNC: u32 = 740;
/// `cuVDPAUGetDevice`.
pub const CU_VDPAU_GET_DEVICE: u32 = 741;
/// `cuVDPAUCtxCreate`.
pub const CU_VDPAU_CTX_CREATE: u32 = 742;
/// `cuGraphicsVDPAURegisterVideoSurface`.
pub const CU_GRAPHICS_VDPAU_REGISTER_VIDEO_SURFACE: u32 = 743;
/// `cuGraphicsVDPAURegisterOutputSurface`.
pub const CU_GRAPHICS_VDPAU_REGISTER_OUTPUT_SURFACE: u32 = 744;
/// `cuGreenCtxCreate`.
pub const CU_GREEN_CTX_CREATE: u32 = 745;
/// `cuGreenCtxDestroy`.
pub const CU_GREEN_CTX_DESTROY: u32 = 746;
/// `cuCtxFromGreenCtx`.
pub const CU_CTX_FROM_GREEN_CTX: u32 = 747;
/// `cuDeviceGetDevResource`.
pub const CU_DEVICE_GET_DEV_RESOURCE: u32 = 748;
/// `cuCtxGetDevResource`.
pub const CU_CTX_GET_DEV_RESOURCE: u32 = 749;
/// `cuGreenCtxGetDevResource`.
pub const CU_GREEN_CTX_GET_DEV_RESOURCE: u32 = 750;
/// `cuDevSmResourceSplitByCount`.
pub const CU_DEV_SM_RESOURCE_SPLIT_BY_COUNT: u32 = 751;
/// `cuDevSmResourceSplit`.
pub const CU_DEV_SM_RESOURCE_SPLIT: u32 = 752;
/// `cuDevResourceGenerateDesc`.
pub const CU_DEV_RESOURCE_GENERATE_DESC: u32 = 753;
/// `cuGreenCtxRecordEvent`.
pub const CU_GREEN_CTX_RECORD_EVENT: u32 = 754;
/// `cuGreenCtxWaitEvent`.
pub const CU_GREEN_CTX_WAIT_EVENT: u32 = 755;
/// `cuStreamGetGreenCtx`.
pub const CU_STREAM_GET_GREEN_CTX: u32 = 756;
/// `cuGreenCtxStreamCreate`.
pub const CU_GREEN_CTX_STREAM_CREATE: u32 = 757;
/// `cuGreenCtxGetId`.
pub const CU_GREEN_CTX_GET_ID: u32 = 758;
/// `cuStreamGetDevResource`.
pub const CU_STREAM_GET_DEV_RESOURCE: u32 = 759;
/// `cuGetErrorString`.
pub const CU_GET_ERROR_STRING: u32 = 256;
/// `cuGetErrorName`.
pub const CU_GET_ERROR_NAME: u32 = 257;
/// `cuInit`.
pub const CU_INIT: u32 = 258;
/// `cuDriverGetVersion`.
pub const CU_DRIVER_GET_VERSION: u32 = 259;
/// `cuGetProcAddress`.
pub const CU_GET_PROC_ADDRESS: u32 = 260;
/// `cuGetProcAddress_v2`.
pub const CU_GET_PROC_ADDRESS_V2: u32 = 261;
/// `cuGetExportTable`.
pub const CU_GET_EXPORT_TABLE: u32 = 262;
/// `cuIpcGetEventHandle`.
pub const CU_IPC_GET_EVENT_HANDLE: u32 = 656;
/// `cuIpcOpenEventHandle`.
pub const CU_IPC_OPEN_EVENT_HANDLE: u32 = 657;
/// `cuIpcGetMemHandle`.
pub const CU_IPC_GET_MEM_HANDLE: u32 = 658;
/// `cuIpcOpenMemHandle`.
pub const CU_IPC_OPEN_MEM_HANDLE: u32 = 659;
/// `cuIpcCloseMemHandle`.
pub const CU_IPC_CLOSE_MEM_HANDLE: u32 = 660;
/// `cuLaunchKernel`.
pub const CU_LAUNCH_KERNEL: u32 = 367;
/// `cuLaunchKernelEx`.
pub const CU_LAUNCH_KERNEL_EX: u32 = 368;
/// `cuLaunchCooperativeKernel`.
pub const CU_LAUNCH_COOPERATIVE_KERNEL: u32 = 369;
/// `cuLaunchHostFunc`.
pub const CU_LAUNCH_HOST_FUNC: u32 = 370;
/// `cuLaunchHostFunc_v2`.
pub const CU_LAUNCH_HOST_FUNC_V2: u32 = 371;
/// `cuFuncSetBlockShape`.
pub const CU_FUNC_SET_BLOCK_SHAPE: u32 = 661;
/// `cuFuncSetSharedSize`.
pub const CU_FUNC_SET_SHARED_SIZE: u32 = 662;
/// `cuParamSetSize`.
pub const CU_PARAM_SET_SIZE: u32 = 663;
/// `cuParamSeti`.
pub const CU_PARAM_SETI: u32 = 664;
/// `cuParamSetf`.
pub const CU_PARAM_SETF: u32 = 665;
/// `cuParamSetv`.
pub const CU_PARAM_SETV: u32 = 666;
/// `cuLaunch`.
pub const CU_LAUNCH: u32 = 667;
/// `cuLaunchGrid`.
pub const CU_LAUNCH_GRID: u32 = 668;
/// `cuLaunchGridAsync`.
pub const CU_LAUNCH_GRID_ASYNC: u32 = 669;
/// `cuLaunchCooperativeKernelMultiDevice`.
pub const CU_LAUNCH_COOPERATIVE_KERNEL_MULTI_DEVICE: u32 = 670;
/// `cuParamSetTexRef`.
pub const CU_PARAM_SET_TEX_REF: u32 = 671;
/// `cuFuncSetSharedMemConfig`.
pub const CU_FUNC_SET_SHARED_MEM_CONFIG: u32 = 672;
/// `cuLibraryLoadData`.
pub const CU_LIBRARY_LOAD_DATA: u32 = 335;
/// `cuLibraryLoadFromFile`.
pub const CU_LIBRARY_LOAD_FROM_FILE: u32 = 336;
/// `cuLibraryUnload`.
pub const CU_LIBRARY_UNLOAD: u32 = 337;
/// `cuLibraryGetKernel`.
pub const CU_LIBRARY_GET_KERNEL: u32 = 338;
/// `cuLibraryGetKernelCount`.
pub const CU_LIBRARY_GET_KERNEL_COUNT: u32 = 339;
/// `cuLibraryEnumerateKernels`.
pub const CU_LIBRARY_ENUMERATE_KERNELS: u32 = 340;
/// `cuLibraryGetModule`.
pub const CU_LIBRARY_GET_MODULE: u32 = 341;
/// `cuKernelGetFunction`.
pub const CU_KERNEL_GET_FUNCTION: u32 = 342;
/// `cuKernelGetLibrary`.
pub const CU_KERNEL_GET_LIBRARY: u32 = 343;
/// `cuLibraryGetGlobal`.
pub const CU_LIBRARY_GET_GLOBAL: u32 = 344;
/// `cuLibraryGetManaged`.
pub const CU_LIBRARY_GET_MANAGED: u32 = 345;
/// `cuLibraryGetUnifiedFunction`.
pub const CU_LIBRARY_GET_UNIFIED_FUNCTION: u32 = 346;
/// `cuKernelGetAttribute`.
pub const CU_KERNEL_GET_ATTRIBUTE: u32 = 347;
/// `cuKernelSetAttribute`.
pub const CU_KERNEL_SET_ATTRIBUTE: u32 = 348;
/// `cuKernelSetCacheConfig`.
pub const CU_KERNEL_SET_CACHE_CONFIG: u32 = 349;
/// `cuKernelGetName`.
pub const CU_KERNEL_GET_NAME: u32 = 350;
/// `cuKernelGetParamInfo`.
pub const CU_KERNEL_GET_PARAM_INFO: u32 = 351;
/// `cuKernelGetParamCount`.
pub const CU_KERNEL_GET_PARAM_COUNT: u32 = 352;
/// `cuLinkCreate`.
pub const CU_LINK_CREATE: u32 = 362;
/// `cuLinkAddData`.
pub const CU_LINK_ADD_DATA: u32 = 363;
/// `cuLinkAddFile`.
pub const CU_LINK_ADD_FILE: u32 = 364;
/// `cuLinkComplete`.
pub const CU_LINK_COMPLETE: u32 = 365;
/// `cuLinkDestroy`.
pub const CU_LINK_DESTROY: u32 = 366;
/// `cuLogsRegisterCallback`.
pub const CU_LOGS_REGISTER_CALLBACK: u32 = 651;
/// `cuLogsUnregisterCallback`.
pub const CU_LOGS_UNREGISTER_CALLBACK: u32 = 652;
/// `cuLogsCurrent`.
pub const CU_LOGS_CURRENT: u32 = 653;
/// `cuLogsDumpToFile`.
pub const CU_LOGS_DUMP_TO_FILE: u32 = 654;
/// `cuLogsDumpToMemory`.
pub const CU_LOGS_DUMP_TO_MEMORY: u32 = 655;
/// `cuStreamWaitValue32`.
pub const CU_STREAM_WAIT_VALUE32: u32 = 523;
/// `cuStreamWaitValue64`.
pub const CU_STREAM_WAIT_VALUE64: u32 = 524;
/// `cuStreamWriteValue32`.
pub const CU_STREAM_WRITE_VALUE32: u32 = 525;
/// `cuStreamWriteValue64`.
pub const CU_STREAM_WRITE_VALUE64: u32 = 526;
/// `cuStreamBatchMemOp`.
pub const CU_STREAM_BATCH_MEM_OP: u32 = 527;
/// `cuMemGetInfo`.
pub const CU_MEM_GET_INFO: u32 = 372;
/// `cuMemAlloc`.
pub const CU_MEM_ALLOC: u32 = 373;
/// `cuMemAllocPitch`.
pub const CU_MEM_ALLOC_PITCH: u32 = 374;
/// `cuMemFree`.
pub const CU_MEM_FREE: u32 = 375;
/// `cuMemGetAddressRange`.
pub const CU_MEM_GET_ADDRESS_RANGE: u32 = 376;
/// `cuMemAllocHost`.
pub const CU_MEM_ALLOC_HOST: u32 = 377;
/// `cuMemFreeHost`.
pub const CU_MEM_FREE_HOST: u32 = 378;
/// `cuMemHostAlloc`.
pub const CU_MEM_HOST_ALLOC: u32 = 379;
/// `cuMemHostGetDevicePointer`.
pub const CU_MEM_HOST_GET_DEVICE_POINTER: u32 = 380;
/// `cuMemHostGetFlags`.
pub const CU_MEM_HOST_GET_FLAGS: u32 = 381;
/// `cuMemAllocManaged`.
pub const CU_MEM_ALLOC_MANAGED: u32 = 382;
/// `cuMemHostRegister`.
pub const CU_MEM_HOST_REGISTER: u32 = 383;
/// `cuMemHostUnregister`.
pub const CU_MEM_HOST_UNREGISTER: u32 = 384;
/// `cuMemGetHandleForAddressRange`.
pub const CU_MEM_GET_HANDLE_FOR_ADDRESS_RANGE: u32 = 385;
/// `cuMemBatchDecompressAsync`.
pub const CU_MEM_BATCH_DECOMPRESS_ASYNC: u32 = 386;
/// `cuMemGetLocationInfo`.
pub const CU_MEM_GET_LOCATION_INFO: u32 = 387;
/// `cuMemFreeAsync`.
pub const CU_MEM_FREE_ASYNC: u32 = 402;
/// `cuMemAllocAsync`.
pub const CU_MEM_ALLOC_ASYNC: u32 = 403;
/// `cuMemPoolTrimTo`.
pub const CU_MEM_POOL_TRIM_TO: u32 = 404;
/// `cuMemPoolSetAttribute`.
pub const CU_MEM_POOL_SET_ATTRIBUTE: u32 = 405;
/// `cuMemPoolGetAttribute`.
pub const CU_MEM_POOL_GET_ATTRIBUTE: u32 = 406;
/// `cuMemPoolSetAccess`.
pub const CU_MEM_POOL_SET_ACCESS: u32 = 407;
/// `cuMemPoolGetAccess`.
pub const CU_MEM_POOL_GET_ACCESS: u32 = 408;
/// `cuMemPoolCreate`.
pub const CU_MEM_POOL_CREATE: u32 = 409;
/// `cuMemPoolDestroy`.
pub const CU_MEM_POOL_DESTROY: u32 = 410;
/// `cuMemGetDefaultMemPool`.
pub const CU_MEM_GET_DEFAULT_MEM_POOL: u32 = 411;
/// `cuMemGetMemPool`.
pub const CU_MEM_GET_MEM_POOL: u32 = 412;
/// `cuMemSetMemPool`.
pub const CU_MEM_SET_MEM_POOL: u32 = 413;
/// `cuMemAllocFromPoolAsync`.
pub const CU_MEM_ALLOC_FROM_POOL_ASYNC: u32 = 414;
/// `cuMemPoolExportToShareableHandle`.
pub const CU_MEM_POOL_EXPORT_TO_SHAREABLE_HANDLE: u32 = 415;
/// `cuMemPoolImportFromShareableHandle`.
pub const CU_MEM_POOL_IMPORT_FROM_SHAREABLE_HANDLE: u32 = 416;
/// `cuMemPoolExportPointer`.
pub const CU_MEM_POOL_EXPORT_POINTER: u32 = 417;
/// `cuMemPoolImportPointer`.
pub const CU_MEM_POOL_IMPORT_POINTER: u32 = 418;
/// `cuMemsetD8`.
pub const CU_MEMSET_D8: u32 = 461;
/// `cuMemsetD16`.
pub const CU_MEMSET_D16: u32 = 462;
/// `cuMemsetD32`.
pub const CU_MEMSET_D32: u32 = 463;
/// `cuMemsetD2D8`.
pub const CU_MEMSET_D2D8: u32 = 464;
/// `cuMemsetD2D16`.
pub const CU_MEMSET_D2D16: u32 = 465;
/// `cuMemsetD2D32`.
pub const CU_MEMSET_D2D32: u32 = 466;
/// `cuMemsetD8Async`.
pub const CU_MEMSET_D8_ASYNC: u32 = 467;
/// `cuMemsetD16Async`.
pub const CU_MEMSET_D16_ASYNC: u32 = 468;
/// `cuMemsetD32Async`.
pub const CU_MEMSET_D32_ASYNC: u32 = 469;
/// `cuMemsetD2D8Async`.
pub const CU_MEMSET_D2D8_ASYNC: u32 = 470;
/// `cuMemsetD2D16Async`.
pub const CU_MEMSET_D2D16_ASYNC: u32 = 471;
/// `cuMemsetD2D32Async`.
pub const CU_MEMSET_D2D32_ASYNC: u32 = 472;
/// `cuModuleLoad`.
pub const CU_MODULE_LOAD: u32 = 323;
/// `cuModuleLoadData`.
pub const CU_MODULE_LOAD_DATA: u32 = 324;
/// `cuModuleLoadDataEx`.
pub const CU_MODULE_LOAD_DATA_EX: u32 = 325;
/// `cuModuleLoadFatBinary`.
pub const CU_MODULE_LOAD_FAT_BINARY: u32 = 326;
/// `cuModuleUnload`.
pub const CU_MODULE_UNLOAD: u32 = 327;
/// `cuModuleGetLoadingMode`.
pub const CU_MODULE_GET_LOADING_MODE: u32 = 328;
/// `cuModuleGetFunction`.
pub const CU_MODULE_GET_FUNCTION: u32 = 329;
/// `cuModuleGetFunctionCount`.
pub const CU_MODULE_GET_FUNCTION_COUNT: u32 = 330;
/// `cuModuleEnumerateFunctions`.
pub const CU_MODULE_ENUMERATE_FUNCTIONS: u32 = 331;
/// `cuModuleGetGlobal`.
pub const CU_MODULE_GET_GLOBAL: u32 = 332;
/// `cuModuleGetTexRef`.
pub const CU_MODULE_GET_TEX_REF: u32 = 333;
/// `cuModuleGetSurfRef`.
pub const CU_MODULE_GET_SURF_REF: u32 = 334;
/// `cuMulticastCreate`.
pub const CU_MULTICAST_CREATE: u32 = 760;
/// `cuMulticastAddDevice`.
pub const CU_MULTICAST_ADD_DEVICE: u32 = 761;
/// `cuMulticastBindMem`.
pub const CU_MULTICAST_BIND_MEM: u32 = 762;
/// `cuMulticastBindMem_v2`.
pub const CU_MULTICAST_BIND_MEM_V2: u32 = 763;
/// `cuMulticastBindAddr`.
pub const CU_MULTICAST_BIND_ADDR: u32 = 764;
/// `cuMulticastBindAddr_v2`.
pub const CU_MULTICAST_BIND_ADDR_V2: u32 = 765;
/// `cuMulticastUnbind`.
pub const CU_MULTICAST_UNBIND: u32 = 766;
/// `cuMulticastGetGranularity`.
pub const CU_MULTICAST_GET_GRANULARITY: u32 = 767;
/// `cuOccupancyMaxActiveBlocksPerMultiprocessor`.
pub const CU_OCCUPANCY_MAX_ACTIVE_BLOCKS_PER_MULTIPROCESSOR: u32 = 628;
/// `cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags`.
pub const CU_OCCUPANCY_MAX_ACTIVE_BLOCKS_PER_MULTIPROCESSOR_WITH_FLAGS: u32 = 629;
/// `cuOccupancyMaxPotentialBlockSize`.
pub const CU_OCCUPANCY_MAX_POTENTIAL_BLOCK_SIZE: u32 = 630;
/// `cuOccupancyMaxPotentialBlockSizeWithFlags`.
pub const CU_OCCUPANCY_MAX_POTENTIAL_BLOCK_SIZE_WITH_FLAGS: u32 = 631;
/// `cuOccupancyAvailableDynamicSMemPerBlock`.
pub const CU_OCCUPANCY_AVAILABLE_DYNAMIC_S_MEM_PER_BLOCK: u32 = 632;
/// `cuOccupancyMaxPotentialClusterSize`.
pub const CU_OCCUPANCY_MAX_POTENTIAL_CLUSTER_SIZE: u32 = 633;
/// `cuOccupancyMaxActiveClusters`.
pub const CU_OCCUPANCY_MAX_ACTIVE_CLUSTERS: u32 = 634;
/// `cuDeviceCanAccessPeer`.
pub const CU_DEVICE_CAN_ACCESS_PEER: u32 = 318;
/// `cuCtxEnablePeerAccess`.
pub const CU_CTX_ENABLE_PEER_ACCESS: u32 = 319;
/// `cuCtxDisablePeerAccess`.
pub const CU_CTX_DISABLE_PEER_ACCESS: u32 = 320;
/// `cuDeviceGetP2PAttribute`.
pub const CU_DEVICE_GET_P2P_ATTRIBUTE: u32 = 321;
/// `cuDeviceGetP2PAtomicCapabilities`.
pub const CU_DEVICE_GET_P2P_ATOMIC_CAPABILITIES: u32 = 322;
/// `cuProfilerInitialize`.
pub const CU_PROFILER_INITIALIZE: u32 = 648;
/// `cuProfilerStart`.
pub const CU_PROFILER_START: u32 = 649;
/// `cuProfilerStop`.
pub const CU_PROFILER_STOP: u32 = 650;
/// `cuStreamCreate`.
pub const CU_STREAM_CREATE: u32 = 486;
/// `cuStreamCreateWithPriority`.
pub const CU_STREAM_CREATE_WITH_PRIORITY: u32 = 487;
/// `cuStreamGetPriority`.
pub const CU_STREAM_GET_PRIORITY: u32 = 488;
/// `cuStreamGetDevice`.
pub const CU_STREAM_GET_DEVICE: u32 = 489;
/// `cuStreamGetFlags`.
pub const CU_STREAM_GET_FLAGS: u32 = 490;
/// `cuStreamGetId`.
pub const CU_STREAM_GET_ID: u32 = 491;
/// `cuStreamGetCtx`.
pub const CU_STREAM_GET_CTX: u32 = 492;
/// `cuStreamGetCtx_v2`.
pub const CU_STREAM_GET_CTX_V2: u32 = 493;
/// `cuStreamWaitEvent`.
pub const CU_STREAM_WAIT_EVENT: u32 = 494;
/// `cuStreamAddCallback`.
pub const CU_STREAM_ADD_CALLBACK: u32 = 495;
/// `cuStreamBeginRecaptureToGraph`.
pub const CU_STREAM_BEGIN_RECAPTURE_TO_GRAPH: u32 = 496;
/// `cuStreamAttachMemAsync`.
pub const CU_STREAM_ATTACH_MEM_ASYNC: u32 = 497;
/// `cuStreamQuery`.
pub const CU_STREAM_QUERY: u32 = 498;
/// `cuStreamSynchronize`.
pub const CU_STREAM_SYNCHRONIZE: u32 = 499;
/// `cuStreamDestroy`.
pub const CU_STREAM_DESTROY: u32 = 500;
/// `cuStreamCopyAttributes`.
pub const CU_STREAM_COPY_ATTRIBUTES: u32 = 501;
/// `cuStreamGetAttribute`.
pub const CU_STREAM_GET_ATTRIBUTE: u32 = 502;
/// `cuStreamSetAttribute`.
pub const CU_STREAM_SET_ATTRIBUTE: u32 = 503;
/// `cuTensorMapEncodeTiled`.
pub const CU_TENSOR_MAP_ENCODE_TILED: u32 = 643;
/// `cuTensorMapEncodeIm2col`.
pub const CU_TENSOR_MAP_ENCODE_IM2COL: u32 = 644;
/// `cuTensorMapEncodeIm2colWide`.
pub const CU_TENSOR_MAP_ENCODE_IM2COL_WIDE: u32 = 645;
/// `cuTensorMapReplaceAddress`.
pub const CU_TENSOR_MAP_REPLACE_ADDRESS: u32 = 646;
/// `cuTensorMapSetAllocationClass`.
pub const CU_TENSOR_MAP_SET_ALLOCATION_CLASS: u32 = 647;
/// `cuTexObjectCreate`.
pub const CU_TEX_OBJECT_CREATE: u32 = 635;
/// `cuTexObjectDestroy`.
pub const CU_TEX_OBJECT_DESTROY: u32 = 636;
/// `cuTexObjectGetResourceDesc`.
pub const CU_TEX_OBJECT_GET_RESOURCE_DESC: u32 = 637;
/// `cuTexObjectGetTextureDesc`.
pub const CU_TEX_OBJECT_GET_TEXTURE_DESC: u32 = 638;
/// `cuTexObjectGetResourceViewDesc`.
pub const CU_TEX_OBJECT_GET_RESOURCE_VIEW_DESC: u32 = 639;
/// `cuSurfObjectCreate`.
pub const CU_SURF_OBJECT_CREATE: u32 = 640;
/// `cuSurfObjectDestroy`.
pub const CU_SURF_OBJECT_DESTROY: u32 = 641;
/// `cuSurfObjectGetResourceDesc`.
pub const CU_SURF_OBJECT_GET_RESOURCE_DESC: u32 = 642;
/// `cuTexRefSetArray`.
pub const CU_TEX_REF_SET_ARRAY: u32 = 673;
/// `cuTexRefSetMipmappedArray`.
pub const CU_TEX_REF_SET_MIPMAPPED_ARRAY: u32 = 674;
/// `cuTexRefSetAddress`.
pub const CU_TEX_REF_SET_ADDRESS: u32 = 675;
/// `cuTexRefSetAddress2D`.
pub const CU_TEX_REF_SET_ADDRESS2D: u32 = 676;
/// `cuTexRefSetFormat`.
pub const CU_TEX_REF_SET_FORMAT: u32 = 677;
/// `cuTexRefSetAddressMode`.
pub const CU_TEX_REF_SET_ADDRESS_MODE: u32 = 678;
/// `cuTexRefSetFilterMode`.
pub const CU_TEX_REF_SET_FILTER_MODE: u32 = 679;
/// `cuTexRefSetMipmapFilterMode`.
pub const CU_TEX_REF_SET_MIPMAP_FILTER_MODE: u32 = 680;
/// `cuTexRefSetMipmapLevelBias`.
pub const CU_TEX_REF_SET_MIPMAP_LEVEL_BIAS: u32 = 681;
/// `cuTexRefSetMipmapLevelClamp`.
pub const CU_TEX_REF_SET_MIPMAP_LEVEL_CLAMP: u32 = 682;
/// `cuTexRefSetMaxAnisotropy`.
pub const CU_TEX_REF_SET_MAX_ANISOTROPY: u32 = 683;
/// `cuTexRefSetBorderColor`.
pub const CU_TEX_REF_SET_BORDER_COLOR: u32 = 684;
/// `cuTexRefSetFlags`.
pub const CU_TEX_REF_SET_FLAGS: u32 = 685;
/// `cuTexRefGetAddress`.
pub const CU_TEX_REF_GET_ADDRESS: u32 = 686;
/// `cuTexRefGetArray`.
pub const CU_TEX_REF_GET_ARRAY: u32 = 687;
/// `cuTexRefGetMipmappedArray`.
pub const CU_TEX_REF_GET_MIPMAPPED_ARRAY: u32 = 688;
/// `cuTexRefGetAddressMode`.
pub const CU_TEX_REF_GET_ADDRESS_MODE: u32 = 689;
/// `cuTexRefGetFilterMode`.
pub const CU_TEX_REF_GET_FILTER_MODE: u32 = 690;
/// `cuTexRefGetFormat`.
pub const CU_TEX_REF_GET_FORMAT: u32 = 691;
/// `cuTexRefGetMipmapFilterMode`.
pub const CU_TEX_REF_GET_MIPMAP_FILTER_MODE: u32 = 692;
/// `cuTexRefGetMipmapLevelBias`.
pub const CU_TEX_REF_GET_MIPMAP_LEVEL_BIAS: u32 = 693;
/// `cuTexRefGetMipmapLevelClamp`.
pub const CU_TEX_REF_GET_MIPMAP_LEVEL_CLAMP: u32 = 694;
/// `cuTexRefGetMaxAnisotropy`.
pub const CU_TEX_REF_GET_MAX_ANISOTROPY: u32 = 695;
/// `cuTexRefGetBorderColor`.
pub const CU_TEX_REF_GET_BORDER_COLOR: u32 = 696;
/// `cuTexRefGetFlags`.
pub const CU_TEX_REF_GET_FLAGS: u32 = 697;
/// `cuTexRefCreate`.
pub const CU_TEX_REF_CREATE: u32 = 698;
/// `cuTexRefDestroy`.
pub const CU_TEX_REF_DESTROY: u32 = 699;
/// `cuSurfRefSetArray`.
pub const CU_SURF_REF_SET_ARRAY: u32 = 700;
/// `cuSurfRefGetArray`.
pub const CU_SURF_REF_GET_ARRAY: u32 = 701;
/// `cuPointerGetAttribute`.
pub const CU_POINTER_GET_ATTRIBUTE: u32 = 419;
/// `cuMemPrefetchAsync`.
pub const CU_MEM_PREFETCH_ASYNC: u32 = 420;
/// `cuMemPrefetchAsync_v2`.
pub const CU_MEM_PREFETCH_ASYNC_V2: u32 = 421;
/// `cuMemAdvise`.
pub const CU_MEM_ADVISE: u32 = 422;
/// `cuMemAdvise_v2`.
pub const CU_MEM_ADVISE_V2: u32 = 423;
/// `cuMemPrefetchBatchAsync`.
pub const CU_MEM_PREFETCH_BATCH_ASYNC: u32 = 424;
/// `cuMemDiscardBatchAsync`.
pub const CU_MEM_DISCARD_BATCH_ASYNC: u32 = 425;
/// `cuMemDiscardAndPrefetchBatchAsync`.
pub const CU_MEM_DISCARD_AND_PREFETCH_BATCH_ASYNC: u32 = 426;
/// `cuMemRangeGetAttribute`.
pub const CU_MEM_RANGE_GET_ATTRIBUTE: u32 = 427;
/// `cuMemRangeGetAttributes`.
pub const CU_MEM_RANGE_GET_ATTRIBUTES: u32 = 428;
/// `cuPointerSetAttribute`.
pub const CU_POINTER_SET_ATTRIBUTE: u32 = 429;
/// `cuPointerGetAttributes`.
pub const CU_POINTER_GET_ATTRIBUTES: u32 = 430;
/// `cuMemAddressReserve`.
pub const CU_MEM_ADDRESS_RESERVE: u32 = 388;
/// `cuMemAddressFree`.
pub const CU_MEM_ADDRESS_FREE: u32 = 389;
/// `cuMemCreate`.
pub const CU_MEM_CREATE: u32 = 390;
/// `cuMemRelease`.
pub const CU_MEM_RELEASE: u32 = 391;
/// `cuMemMap`.
pub const CU_MEM_MAP: u32 = 392;
/// `cuMemMapArrayAsync`.
pub const CU_MEM_MAP_ARRAY_ASYNC: u32 = 393;
/// `cuMemUnmap`.
pub const CU_MEM_UNMAP: u32 = 394;
/// `cuMemSetAccess`.
pub const CU_MEM_SET_ACCESS: u32 = 395;
/// `cuMemGetAccess`.
pub const CU_MEM_GET_ACCESS: u32 = 396;
/// `cuMemExportToShareableHandle`.
pub const CU_MEM_EXPORT_TO_SHAREABLE_HANDLE: u32 = 397;
/// `cuMemImportFromShareableHandle`.
pub const CU_MEM_IMPORT_FROM_SHAREABLE_HANDLE: u32 = 398;
/// `cuMemGetAllocationGranularity`.
pub const CU_MEM_GET_ALLOCATION_GRANULARITY: u32 = 399;
/// `cuMemGetAllocationPropertiesFromHandle`.
pub const CU_MEM_GET_ALLOCATION_PROPERTIES_FROM_HANDLE: u32 = 400;
/// `cuMemRetainAllocationHandle`.
pub const CU_MEM_RETAIN_ALLOCATION_HANDLE: u32 = 401;
