import type { AnyDurable } from "./durable.ts";
import { DuplicateFunctionError } from "./errors.ts";

/**
 * Durable functions by name, and by version where several stand side by side. A second, different function under a taken name and
 * version throws DuplicateFunctionError.
 */
export class FunctionRegistry {
  readonly #byName = new Map<string, Map<string | undefined, AnyDurable>>();
  /** Of each name the version registered last. */
  readonly #latest = new Map<string, AnyDurable>();

  /** @throws DuplicateFunctionError if another function has this name and version. `replace` is for hot reload. */
  register(fn: AnyDurable, replace = false): void {
    const version = fn.options.version;
    const versions = this.#byName.get(fn.functionName) ?? new Map<string | undefined, AnyDurable>();
    const taken = versions.get(version);
    if (taken !== undefined && taken !== fn && !replace) {
      throw new DuplicateFunctionError(fn.functionName, version);
    }
    // Set anew, so that "registered last" is the last in the map.
    versions.delete(version);
    versions.set(version, fn);
    this.#byName.set(fn.functionName, versions);
    this.#latest.set(fn.functionName, fn);
  }

  /** The function of that name: of that version, or without one the version registered last. */
  get(name: string, version?: string): AnyDurable | undefined {
    return version === undefined ? this.#latest.get(name) : this.#byName.get(name)?.get(version);
  }

  /** The function of exactly that name and version, where undefined means the one without a version. */
  exact(name: string, version: string | undefined): AnyDurable | undefined {
    return this.#byName.get(name)?.get(version);
  }

  /** Registered names, in order of registration. */
  names(): string[] {
    return [...this.#byName.keys()];
  }

  /** Every registered function, each version once. */
  all(): AnyDurable[] {
    return [...this.#byName.values()].flatMap((versions) => [...versions.values()]);
  }
}

/** Where `activity` and `workflow` register, and what a Stent without a registry of its own uses. */
export const registry: FunctionRegistry = new FunctionRegistry();

let hotReload = false;

/** Lets later definitions replace earlier ones of the same name, for hot reload in development. */
export function allowRedefinition(allowed: boolean): void {
  hotReload = allowed;
}

/** Registers a definition in the default registry. @throws DuplicateFunctionError */
export function registerDefinition(fn: AnyDurable): void {
  registry.register(fn, hotReload);
}
