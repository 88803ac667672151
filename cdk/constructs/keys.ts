/** KMS keys: P-256 to sign, symmetric to wrap. Nobody but the named role can use them, whatever its policies. */

import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, Grant, PolicyStatement, type IGrantable } from 'aws-cdk-lib/aws-iam';
import { Key, KeySpec, KeyUsage } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';

/** Days until a deleted key is gone, the least that KMS takes. */
const PENDING_DAYS = 7;

/** What a wrapped secret is for: the `purpose` of its encryption context. */
export type WrapPurpose = string;

/** Properties of `SigningKey`. */
export interface SigningKeyProps {
  readonly description: string;
  /** The key outlives its stack. */
  readonly retain: boolean;
  /** ARN of the only role that may sign, even among administrators' roles. */
  readonly signerRoleArn: string;
}

/** A P-256 key that signs. */
export class SigningKey extends Construct {
  readonly key: Key;

  constructor(scope: Construct, id: string, props: SigningKeyProps) {
    super(scope, id);
    this.key = new Key(this, 'Key', {
      description: props.description,
      keySpec: KeySpec.ECC_NIST_P256,
      keyUsage: KeyUsage.SIGN_VERIFY,
      ...removal(props.retain),
    });
    this.key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'OnlyOneRoleSigns',
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: ['kms:Sign'],
        resources: ['*'],
        conditions: { ArnNotEquals: { 'aws:PrincipalArn': props.signerRoleArn } },
      }),
    );
  }

  /** Lets a role read the public key. */
  grantGetPublicKey(grantee: IGrantable): Grant {
    return grantOnKey(this.key, grantee, ['kms:GetPublicKey']);
  }

  /** Lets a role sign, and read the public key. */
  grantSign(grantee: IGrantable): Grant {
    return grantOnKey(this.key, grantee, ['kms:Sign', 'kms:GetPublicKey']);
  }
}

/** Properties of `WrapKey`. */
export interface WrapKeyProps {
  readonly description: string;
  /** The key outlives its stack. */
  readonly retain: boolean;
  /** Purposes that one role alone may unwrap, even among administrators' roles. */
  readonly guard: { readonly purposes: readonly WrapPurpose[]; readonly roleArn: string };
}

/** A symmetric key that wraps secrets, each under an encryption context that names its purpose. */
export class WrapKey extends Construct {
  readonly key: Key;

  constructor(scope: Construct, id: string, props: WrapKeyProps) {
    super(scope, id);
    this.key = new Key(this, 'Key', {
      description: props.description,
      enableKeyRotation: true,
      ...removal(props.retain),
    });
    this.key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'OnlyOneRoleUnwraps',
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: ['kms:Decrypt', 'kms:ReEncryptFrom'],
        resources: ['*'],
        conditions: {
          ArnNotEquals: { 'aws:PrincipalArn': props.guard.roleArn },
          StringEquals: purposeIs(props.guard.purposes),
        },
      }),
    );
  }

  /** Lets a role unwrap secrets of some purposes. */
  grantUnwrap(grantee: IGrantable, purposes: readonly WrapPurpose[]): Grant {
    return grantOnKey(this.key, grantee, ['kms:Decrypt'], purposes);
  }

  /** Lets a role wrap and unwrap secrets of some purposes. */
  grantWrapUnwrap(grantee: IGrantable, purposes: readonly WrapPurpose[]): Grant {
    return grantOnKey(this.key, grantee, ['kms:Encrypt', 'kms:Decrypt'], purposes);
  }
}

function removal(retain: boolean): { removalPolicy: RemovalPolicy; pendingWindow: Duration } {
  return {
    removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    pendingWindow: Duration.days(PENDING_DAYS),
  };
}

function purposeIs(purposes: readonly WrapPurpose[]): Record<string, readonly string[]> {
  return { 'kms:EncryptionContext:purpose': [...purposes] };
}

function grantOnKey(
  key: Key,
  grantee: IGrantable,
  actions: readonly string[],
  purposes?: readonly WrapPurpose[],
): Grant {
  return Grant.addToPrincipal({
    grantee,
    actions: [...actions],
    resourceArns: [key.keyArn],
    ...(purposes === undefined ? {} : { conditions: { StringEquals: purposeIs(purposes) } }),
  });
}
