import { ValidationError } from "./errors.ts";

/** Any schema library that follows standardschema.dev (zod, valibot, arktype and others). */
export interface StandardSchema<T, In = T> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    // oxlint-disable-next-line typescript/no-explicit-any -- what the schema libraries declare differs; the answer is checked below
    readonly validate: (value: unknown) => any;
    readonly types?: { readonly input: In; readonly output: T } | undefined;
  };
}

/** A schema whose types do not matter: all that validating needs. */
export interface AnySchema {
  readonly "~standard": { readonly validate: (value: unknown) => unknown };
}

interface Issue {
  readonly message: string;
  readonly path?: readonly unknown[];
}
type Answer =
  { readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly Issue[] };

/**
 * What the schema puts out for a value. `what` names the value in messages.
 * @throws ValidationError with the schema's issues; TypeError if the schema answers with a promise, which a workflow cannot await.
 */
export function validateNow(schema: AnySchema, value: unknown, what: string): unknown {
  const answer: unknown = schema["~standard"].validate(value);
  if (answer instanceof Promise) {
    answer.catch(() => undefined);
    throw new TypeError(
      `the schema of ${what} is asynchronous; inside a workflow only synchronous schemas can be used`,
    );
  }
  return accept(answer as Answer, what);
}

/** As `validateNow`, for schemas that may be asynchronous. @throws ValidationError */
export async function validate(schema: AnySchema, value: unknown, what: string): Promise<unknown> {
  return accept((await schema["~standard"].validate(value)) as Answer, what);
}

function accept(answer: Answer, what: string): unknown {
  if (answer.issues === undefined) return answer.value;
  const told = answer.issues.map((issue) => `${pathText(issue.path)}${issue.message}`).join("; ");
  throw new ValidationError(`${what} was refused by its schema: ${told}`, answer.issues);
}

function pathText(path: readonly unknown[] | undefined): string {
  if (path === undefined || path.length === 0) return "";
  const keys = path.map((part) =>
    typeof part === "object" && part !== null && "key" in part ? part.key : part,
  );
  return `${keys.map(String).join(".")}: `;
}
