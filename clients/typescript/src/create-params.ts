import { NotSupportedError } from './errors'
import { invalidParams } from './errors/invalid-params'
import type { CreateOptions, NetworkMode, NetworkProfile } from './types'

interface LocalProfile extends NetworkProfile {
    readonly description: string
    readonly mode: NetworkMode
}

const PROFILES: readonly LocalProfile[] = [
    {
        name: 'unrestricted',
        description: 'Outbound connections to everywhere, through the machine (network mode nat).',
        allow: ['*'],
        deny: [],
        mode: 'nat',
    },
    {
        name: 'locked-down',
        description: 'No connections but loopback (network mode none).',
        allow: [],
        deny: ['*'],
        mode: 'none',
    },
]

export function networkProfiles(): NetworkProfile[] {
    return PROFILES.map(({ name, description, allow, deny }) => ({
        name, description, allow: [...allow], deny: [...deny],
    }))
}

/**
 * The parameters of `sandbox/create` for the options of `create()`. Fields that neither knows go through, so that the
 * engine refuses them by name.
 * @throws NotSupportedError, InvalidParamsError for what must not be sent, or cannot be told to the engine.
 */
export function createParams(options: CreateOptions): Record<string, unknown> {
    const { credentials, networkProfile, onTimeout, ...rest } = options
    if (credentials !== undefined) {
        throw new NotSupportedError('The local engine offers no credentials; pass secrets in env, and knowingly.')
    }
    if (networkProfile !== undefined && rest.network !== undefined) {
        throw invalidParams('network and networkProfile exclude each other; give one of them.')
    }
    // The engine's own default is to hibernate; programs for the hosted service count on the sandbox being gone.
    return {
        ...rest,
        onTimeout: onTimeout ?? 'destroy',
        network: profileNetwork(networkProfile) ?? rest.network,
    }
}

function profileNetwork(name: string | undefined): { mode: NetworkMode } | undefined {
    if (name === undefined) return undefined
    const profile = PROFILES.find((candidate) => candidate.name === name)
    if (profile === undefined) {
        const names = PROFILES.map((candidate) => candidate.name).join(' or ')
        throw invalidParams(`networkProfile: expected ${names}, got ${JSON.stringify(name)}.`)
    }
    return { mode: profile.mode }
}
