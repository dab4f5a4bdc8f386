/** Why a response cannot be read. */
export class ResponseFault extends Error {}
