/* The parts of onnxruntime's C API that the operator uses, declared by us: facts of its ABI.

   OrtApi is a table of functions that only ever grows at its end; a function is known by its place. The places, the
   order of the fields of OrtCustomOp and the numbers of the types are those of onnxruntime_c_api.h
   (https://github.com/microsoft/onnxruntime/blob/main/include/onnxruntime/core/session/onnxruntime_c_api.h).
   Version 17 of the API has all of them: onnxruntime 1.17 and later. */
#ifndef GRADUS_ORT_H
#define GRADUS_ORT_H

#include <stddef.h>
#include <stdint.h>

#define ORT_API_VERSION 17

#if defined(_WIN32) && !defined(_WIN64)
#define ORT_CALL __stdcall
#else
#define ORT_CALL
#endif

typedef struct OrtStatus OrtStatus;
typedef struct OrtValue OrtValue;
typedef struct OrtShape OrtShape;                  /* OrtTensorTypeAndShapeInfo */
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtDomain OrtDomain;                /* OrtCustomOpDomain */
typedef struct OrtCustomOp OrtCustomOp;
typedef const void *OrtApi;                        /* the first of the table's entries */
typedef struct { const OrtApi *(ORT_CALL *GetApi)(uint32_t version); const char *(ORT_CALL *GetVersionString)(void); } OrtApiBase;

enum { ORT_FAIL = 1, ORT_INVALID_ARGUMENT = 2, ORT_NOT_IMPLEMENTED = 9 };
enum { ORT_UNDEFINED = 0, ORT_FLOAT = 1, ORT_UINT8 = 2, ORT_UINT16 = 4, ORT_INT32 = 6, ORT_DOUBLE = 11 };
enum { ORT_REQUIRED = 0, ORT_VARIADIC = 2 };

#define ORT_FUNCTION(api, place, result, ...) ((result(ORT_CALL *)(__VA_ARGS__))(api)[place])
#define ortCreateStatus(api) ORT_FUNCTION(api, 0, OrtStatus *, int, const char *)
#define ortCreateDomain(api) ORT_FUNCTION(api, 26, OrtStatus *, const char *, OrtDomain **)
#define ortDomainAdd(api) ORT_FUNCTION(api, 27, OrtStatus *, OrtDomain *, const OrtCustomOp *)
#define ortAddDomain(api) ORT_FUNCTION(api, 28, OrtStatus *, OrtSessionOptions *, OrtDomain *)
#define ortData(api) ORT_FUNCTION(api, 51, OrtStatus *, const OrtValue *, void **)
#define ortElementType(api) ORT_FUNCTION(api, 60, OrtStatus *, const OrtShape *, int *)
#define ortRank(api) ORT_FUNCTION(api, 61, OrtStatus *, const OrtShape *, size_t *)
#define ortDims(api) ORT_FUNCTION(api, 62, OrtStatus *, const OrtShape *, int64_t *, size_t)
#define ortShapeOf(api) ORT_FUNCTION(api, 65, OrtStatus *, const OrtValue *, OrtShape **)
#define ortAttribute(api) ORT_FUNCTION(api, 86, OrtStatus *, const OrtKernelInfo *, const char *, int64_t *)
#define ortInput(api) ORT_FUNCTION(api, 90, OrtStatus *, const OrtKernelContext *, size_t, const OrtValue **)
#define ortOutput(api) ORT_FUNCTION(api, 91, OrtStatus *, OrtKernelContext *, size_t, const int64_t *, size_t, OrtValue **)
#define ortReleaseStatus(api) ORT_FUNCTION(api, 93, void, OrtStatus *)
#define ortReleaseShape(api) ORT_FUNCTION(api, 99, void, OrtShape *)
#define ortAttributes(api) ORT_FUNCTION(api, 163, OrtStatus *, const OrtKernelInfo *, const char *, int64_t *, size_t *)
#define ortInputCount(api) ORT_FUNCTION(api, 230, OrtStatus *, const OrtKernelInfo *, size_t *)
#define ortOutputCount(api) ORT_FUNCTION(api, 231, OrtStatus *, const OrtKernelInfo *, size_t *)
#define ortConstant(api) ORT_FUNCTION(api, 249, OrtStatus *, const OrtKernelInfo *, size_t, int *, const OrtValue **)
#define ortParallelFor(api) ORT_FUNCTION(api, 274, OrtStatus *, const OrtKernelContext *, void (*)(void *, size_t), size_t, size_t, void *)

struct OrtCustomOp {
  uint32_t version;
  void *(ORT_CALL *CreateKernel)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *);
  const char *(ORT_CALL *GetName)(const OrtCustomOp *);
  const char *(ORT_CALL *GetExecutionProviderType)(const OrtCustomOp *);
  int(ORT_CALL *GetInputType)(const OrtCustomOp *, size_t);
  size_t(ORT_CALL *GetInputTypeCount)(const OrtCustomOp *);
  int(ORT_CALL *GetOutputType)(const OrtCustomOp *, size_t);
  size_t(ORT_CALL *GetOutputTypeCount)(const OrtCustomOp *);
  void(ORT_CALL *KernelCompute)(void *, OrtKernelContext *);
  void(ORT_CALL *KernelDestroy)(void *);
  int(ORT_CALL *GetInputCharacteristic)(const OrtCustomOp *, size_t);
  int(ORT_CALL *GetOutputCharacteristic)(const OrtCustomOp *, size_t);
  int(ORT_CALL *GetInputMemoryType)(const OrtCustomOp *, size_t);
  int(ORT_CALL *GetVariadicInputMinArity)(const OrtCustomOp *);
  int(ORT_CALL *GetVariadicInputHomogeneity)(const OrtCustomOp *);
  int(ORT_CALL *GetVariadicOutputMinArity)(const OrtCustomOp *);
  int(ORT_CALL *GetVariadicOutputHomogeneity)(const OrtCustomOp *);
  OrtStatus *(ORT_CALL *CreateKernelV2)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *, void **);
  OrtStatus *(ORT_CALL *KernelComputeV2)(void *, OrtKernelContext *);
  OrtStatus *(ORT_CALL *InferOutputShapeFn)(const OrtCustomOp *, void *);
  int(ORT_CALL *GetStartVersion)(const OrtCustomOp *);
  int(ORT_CALL *GetEndVersion)(const OrtCustomOp *);
};

#endif
