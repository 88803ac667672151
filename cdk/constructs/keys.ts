/** KMS keys: P-256 to sign, symmetric to wrap. Nobody but the named role can use them, whatever its policies. */

import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, Grant, PolicyStatement, type IGrantable } from 'aws-cdk-lib/aws-iam';
import { Key, KeySpec, KeyUsage } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';

import type { NetworkConfig } from '../config.ts';

/** Days until a deleted key is gone, the least that KMS takes. */
const PENDING_DAYS = 7;

type Conditions = Record<string, Record<string, unknown>>;

/** What a wrapped secret is for: the `purpose` of its encryption context. */
export type WrapPurpose = string;

/** Properties of `SigningKey`. */
export interface SigningKeyProps {
  readonly config: NetworkConfig;
  readonly description: string;
  /** `principalArn` of the only role that may sign, even among administrators' roles. */
  readonly signer: string;
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
      ...removal(props.config.retain),
    });
    this.key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'OnlyOneRoleSigns',
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: ['kms:Sign'],
        resources: ['*'],
        conditions: { ArnNotEquals: { 'aws:PrincipalArn': props.signer } },
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
  readonly config: NetworkConfig;
  readonly description: string;
  /** Purposes that these roles alone may unwrap, even among administrators' roles. */
  readonly guards: readonly {
    readonly purposes: readonly WrapPurpose[];
    readonly principalArns: readonly string[];
  }[];
}

/** A symmetric key that wraps secrets, each under an encryption context that names its purpose. */
export class WrapKey extends Construct {
  readonly key: Key;
  private readonly config: NetworkConfig;

  constructor(scope: Construct, id: string, props: WrapKeyProps) {
    super(scope, id);
    this.config = props.config;
    this.key = new Key(this, 'Key', {
      description: props.description,
      enableKeyRotation: true,
      ...removal(props.config.retain),
    });
    for (const { purposes, principalArns } of props.guards) {
      this.key.addToResourcePolicy(
        new PolicyStatement({
          sid: `OnlyTheseUnwrap${purposes.join('')}`,
          effect: Effect.DENY,
          principals: [new AnyPrincipal()],
          actions: ['kms:Decrypt', 'kms:ReEncryptFrom'],
          resources: ['*'],
          conditions: {
            ArnNotEquals: { 'aws:PrincipalArn': [...principalArns] },
            StringEquals: purposeIs(purposes),
          },
        }),
      );
    }
  }

  /** Lets a role unwrap secrets of some purposes. */
  grantUnwrap(grantee: IGrantable, purposes: readonly WrapPurpose[]): Grant {
    return grantOnKey(this.key, grantee, ['kms:Decrypt'], this.conditions(purposes));
  }

  /** Lets a role wrap and unwrap secrets of some purposes. */
  grantWrapUnwrap(grantee: IGrantable, purposes: readonly WrapPurpose[]): Grant {
    const actions = ['kms:Encrypt', 'kms:Decrypt'];
    return grantOnKey(this.key, grantee, actions, this.conditions(purposes));
  }

  private conditions(purposes: readonly WrapPurpose[]): Conditions {
    return this.config.emulatedIam ? {} : { StringEquals: purposeIs(purposes) };
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
  conditions: Conditions = {},
): Grant {
  return Grant.addToPrincipal({
    grantee,
    actions: [...actions],
    resourceArns: [key.keyArn],
    conditions,
  });
}
