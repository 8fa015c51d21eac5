/** The reason in a cancel request, as the execution's row has it. */
export function reasonIn(cancelReason: string | undefined): string | undefined {
  const reason =
    cancelReason === undefined
      ? undefined
      : (JSON.parse(cancelReason) as { readonly reason: string | null }).reason;
  return reason ?? undefined;
}
