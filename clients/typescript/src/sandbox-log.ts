import type { DestroyResult, SandboxInfo, SandboxStats, UsageRecord } from './types'

/** Enough for any person to look at, and a bound for programs that create sandboxes for months. */
const MAX_RECORDS = 1000

/** The sandboxes that this client has destroyed, the latest first. */
export class SandboxLog {
    private readonly records: UsageRecord[] = []

    add(info: SandboxInfo, result: DestroyResult): void {
        this.records.unshift({
            ...identity(info),
            status: result.status,
            destroyedAt: new Date().toISOString(),
            uptimeMs: result.uptimeMs,
            cpuMs: result.cpuMs,
            memPeakBytes: result.memPeakBytes,
        })
        this.records.length = Math.min(this.records.length, MAX_RECORDS)
    }

    entries(): UsageRecord[] {
        return this.records.map((record) => ({ ...record }))
    }
}

/** The record of a sandbox that still exists. */
export function usageOf(info: SandboxInfo, stats: SandboxStats | undefined): UsageRecord {
    return {
        ...identity(info),
        status: info.status,
        uptimeMs: Math.max(0, Date.now() - Date.parse(info.createdAt)),
        ...(stats === undefined ? {} : { cpuMs: stats.cpuMs, memPeakBytes: stats.memPeakBytes }),
    }
}

function identity(info: SandboxInfo): Omit<UsageRecord, 'status' | 'uptimeMs'> {
    const { id, image, vcpus, memMiB, diskMiB, createdAt } = info
    return { id, image, vcpus, memMiB, diskMiB, createdAt, costCents: 0 }
}
