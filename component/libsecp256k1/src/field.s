@ SPDX-License-Identifier: Apache-2.0 OR MIT
@ Products and squares modulo p = 2^256 - 2^32 - 977 for processors with a long multiplication that adds (Armv7-M and
@ later), in place of libsecp256k1's C where that is compiled with USE_EXTERNAL_ASM. The library alone calls them.
@ Neither branches nor addresses depend on a number.
@
@ A number is ten limbs of 26 bits, as field_10x26.h of the library has it: limbs of an operand are below 2^30, those of
@ the result below 2^26, the highest below 2^22 and a bit. As 2^260 = 2^36 + 0x3d10 modulo p, column k + 10 of a product
@ counts as 0x3d10 in column k and as 2^10 in column k + 1. c (r5:r4) goes up from column 0 and d (r7:r6) from column
@ 10 at the same time, so that two sums and ten limbs are all that is kept: 68 bytes of stack.

    .syntax unified

@ Adds the products a[i]*b[k-i] of a column, for i from the first to the last.
    .macro  products lo, hi, k, first, last
    .set    i, \first
    .rept   1 + \last - \first
    ldr     r0, [r1, #4*i]
    ldr     r3, [r2, #4*(\k - i)]
    umlal   \lo, \hi, r0, r3
    .set    i, i + 1
    .endr
    .endm

@ The same for a square: what is left and right of its middle is equal.
    .macro  squares lo, hi, k, first, last
    .set    i, \first
    .rept   (1 + \last - \first) / 2
    ldr     r0, [r1, #4*i]
    ldr     r3, [r1, #4*(\k - i)]
    lsls    r0, r0, #1
    umlal   \lo, \hi, r0, r3
    .set    i, i + 1
    .endr
    .if     (\k % 2) == 0
    ldr     r0, [r1, #4*(\k / 2)]
    umlal   \lo, \hi, r0, r0
    .endif
    .endm

@ The low limb of a sum, which loses it.
    .macro  limb to, lo, hi
    ubfx    \to, \lo, #0, #26
    lsrs    \lo, \lo, #26
    orr     \lo, \lo, \hi, lsl #6
    lsrs    \hi, \hi, #26
    .endm

@ The limbs of a product to the stack, columns by the macro `column`; then the end of the reduction, and the result.
    .macro  reduced column
    push    {r0, r4, r5, r6, r7, r8, lr}
    sub     sp, sp, #40
    movw    lr, #0x3d10
    movs    r4, #0
    movs    r5, #0
    movs    r6, #0
    movs    r7, #0
    \column r6, r7, 9, 0, 9
    limb    r8, r6, r7
    str     r8, [sp, #36]
    .set    k, 0
    .rept   9
    \column r4, r5, k, 0, k
    \column r6, r7, (k + 10), (k + 1), 9
    limb    r12, r6, r7
    umlal   r4, r5, r12, lr
    limb    r8, r4, r5
    str     r8, [sp, #4*k]
    adds    r4, r4, r12, lsl #10
    adc     r5, r5, r12, lsr #22
    .set    k, k + 1
    .endr
    @ c is column 9 without what d, from column 19 on, still counts there.
    ldr     r8, [sp, #36]
    umlal   r4, r5, r6, lr
    mla     r5, r7, lr, r5
    adds    r4, r4, r8
    adc     r5, r5, #0
    ubfx    r8, r4, #0, #22
    str     r8, [sp, #36]
    @ What is above bit 256 counts as 0x3d1 and 2^6 in the lowest two.
    lsrs    r4, r4, #22
    orr     r4, r4, r5, lsl #10
    lsrs    r5, r5, #22
    lsl     r8, r7, #14
    orr     r8, r8, r6, lsr #18
    adds    r4, r4, r6, lsl #14
    adc     r5, r5, r8
    movw    r8, #0x3d1
    umull   r6, r7, r4, r8
    mla     r7, r5, r8, r7
    ldrd    r0, r3, [sp]
    adds    r6, r6, r0
    adc     r7, r7, #0
    limb    r0, r6, r7
    lsl     r8, r5, #6
    orr     r8, r8, r4, lsr #26
    adds    r6, r6, r4, lsl #6
    adc     r7, r7, r8
    adds    r6, r6, r3
    adc     r7, r7, #0
    limb    r1, r6, r7
    ldr     r2, [sp, #8]
    add     r2, r2, r6
    add     sp, sp, #12
    pop     {r3, r4, r5, r6, r7, r8, r12}
    ldr     lr, [sp], #4
    stm     lr, {r0, r1, r2, r3, r4, r5, r6, r7, r8, r12}
    pop     {r4, r5, r6, r7, r8, pc}
    .endm

    .section .text.rustsecp256k1_v0_14_fe_mul_inner, "ax", %progbits
    .global rustsecp256k1_v0_14_fe_mul_inner
    .type   rustsecp256k1_v0_14_fe_mul_inner, %function
    .thumb_func
rustsecp256k1_v0_14_fe_mul_inner:
    reduced products
    .size   rustsecp256k1_v0_14_fe_mul_inner, . - rustsecp256k1_v0_14_fe_mul_inner

    .section .text.rustsecp256k1_v0_14_fe_sqr_inner, "ax", %progbits
    .global rustsecp256k1_v0_14_fe_sqr_inner
    .type   rustsecp256k1_v0_14_fe_sqr_inner, %function
    .thumb_func
rustsecp256k1_v0_14_fe_sqr_inner:
    reduced squares
    .size   rustsecp256k1_v0_14_fe_sqr_inner, . - rustsecp256k1_v0_14_fe_sqr_inner
    .text
