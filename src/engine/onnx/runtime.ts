/**
 * ONNX Runtime in its two builds: native (`onnxruntime-node`) and WebAssembly (`onnxruntime-web`).
 *
 * Each is loaded when first asked for, so that a machine without one of them can use the other.
 */
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { asIsochroneError, IsochroneError } from '../../protocol/index.ts'

export type OnnxBackend = 'cpu' | 'wasm' | 'webgpu' | 'cuda'

export const onnxBackends: readonly OnnxBackend[] = ['cpu', 'wasm', 'webgpu', 'cuda']

/** What the two builds share. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>
  }
  readonly Tensor: typeof Tensor
}

export interface SessionSettings {
  readonly backend: OnnxBackend
  readonly threads: number
  /** Where the model's weights lie. */
  readonly weights?: { readonly folder: string; readonly file: string }
}

/**
 * Steps of small models last under a millisecond: more threads than this lose more by waking each
 * other than they gain.
 */
export const threadsMax = availableParallelism()

/** @throws IsochroneError `engine_unavailable`: what is missing and how to mend it */
export async function loadRuntime(backend: OnnxBackend): Promise<OnnxRuntime> {
  try {
    if (backend === 'wasm') {
      const web = await import('onnxruntime-web')
      web.env.logLevel = 'fatal'
      return web as unknown as OnnxRuntime
    }
    const native = await import('onnxruntime-node')
    native.env.logLevel = 'fatal'
    return native
  } catch (error) {
    throw unavailable(backend, error)
  }
}

/** @throws IsochroneError `engine_unavailable` */
export async function createSession(
  runtime: OnnxRuntime,
  model: Uint8Array,
  settings: SessionSettings,
): Promise<InferenceSession> {
  const { backend, weights } = settings
  try {
    if (backend === 'wasm') {
      // A WebAssembly memory holds 4 GiB; the weights are read into it whole.
      const data = weights && (await readFile(path.join(weights.folder, weights.file)))
      return await runtime.InferenceSession.create(model, {
        executionProviders: ['wasm'],
        graphOptimizationLevel: 'all',
        logSeverityLevel: 4,
        ...(weights && data && { externalData: [{ path: weights.file, data }] }),
      })
    }
    return await runtime.InferenceSession.create(model, nativeOptions(settings))
  } catch (error) {
    throw unavailable(backend, error)
  }
}

function nativeOptions(settings: SessionSettings): InferenceSession.SessionOptions {
  const { backend, threads, weights } = settings
  return {
    executionProviders: backend === 'cpu' ? ['cpu'] : [backend, 'cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: Math.max(1, Math.min(threads, threadsMax)),
    interOpNumThreads: 1,
    logSeverityLevel: 4,
    extra: {
      session: {
        // Several nodes share a machine: a thread that waits must not burn a core.
        intra_op: { allow_spinning: '0' },
        inter_op: { allow_spinning: '0' },
        ...(weights && { model_external_initializers_file_folder_path: weights.folder }),
      },
    },
  }
}

/** What a person can do about it, by what the runtime said. */
function unavailable(backend: OnnxBackend, error: unknown): IsochroneError {
  if (error instanceof IsochroneError) return error
  const text = error instanceof Error ? error.message : String(error)
  const { reason, mend } = explain(backend, text)
  return new IsochroneError('engine_unavailable', `The ${backend} back end: ${reason}. ${mend}`, {
    detail: { backend, reason: text.slice(0, 500) },
    cause: error,
  })
}

function explain(
  backend: OnnxBackend,
  text: string,
): { readonly reason: string; readonly mend: string } {
  if (/Cannot find (module|package)|ERR_MODULE_NOT_FOUND/.test(text)) {
    const machine = `${process.platform} on ${process.arch}`
    const reason = `ONNX Runtime is not built for ${machine}, or not installed`
    return { reason, mend: 'Run `npm ci`, or use the wasm back end.' }
  }
  if (/GLIBC|libstdc\+\+|dlopen|cannot open shared object|ERR_DLOPEN/.test(text)) {
    const reason = 'a native library of ONNX Runtime cannot be loaded'
    return { reason, mend: 'Install the system library that it names, or use the wasm back end.' }
  }
  if (/WebGPU adapter|No supported adapters|vulkan/i.test(text)) {
    return { reason: 'there is no GPU adapter', mend: 'Install a Vulkan driver, or use cpu.' }
  }
  if (backend === 'cuda' && /shared library|provider|CUDA/i.test(text)) {
    const mend = 'Install CUDA and ONNX Runtime’s CUDA libraries, or use cpu.'
    return { reason: 'CUDA is not installed for ONNX Runtime', mend }
  }
  const [line = text] = text.split('\n')
  return { reason: line.slice(0, 300), mend: 'The cpu and wasm back ends may still work.' }
}

/** A failure while a session runs. */
export function runFailure(error: unknown): IsochroneError {
  return asIsochroneError(error, 'engine_failed')
}
